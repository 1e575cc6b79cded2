    // $scores0 .. $scores3 = own rows 4 g .. 4 g + 3 of $own . rows t, t + 16, t + 32, t + 48 of the chunk of $other, slice by
    // slice. Loads come before the barrier: they are on their way while others finish with the slice before.
    //#unroll e 4
    var $scores$e = vec4f(0.0);
    //#end
    for (var slice = 0u; slice < depth * HEAD / SLICE; slice += SLICE) {
      let column = slice + lane % SLICE;
      //#unroll f 2
      let own$f = load_$own(batch, head, first + lane / SLICE + $fu * FETCH, column);
      let other$f = load_$other(batch, head, chunk + lane / SLICE + $fu * FETCH, column);
      //#end
      workgroupBarrier();
      let at = lane % SLICE * OWN_STRIDE + lane / SLICE;
      let other_at = OTHER_AT + lane % SLICE * OTHER_STRIDE + lane / SLICE;
      //#unroll f 2
      tile[at + $fu * FETCH] = own$f;
      tile[other_at + $fu * FETCH] = other$f;
      //#end
      if (whole) {
        //#unroll f 2
        let other$f = load_$other(batch, head, chunk + HALF + lane / SLICE + $fu * FETCH, column);
        //#end
        //#unroll f 2
        tile[other_at + HALF + $fu * FETCH] = other$f;
        //#end
        workgroupBarrier();
        //#include attention_dots scores=$scores columns=4
      } else {
        workgroupBarrier();
        //#include attention_dots scores=$scores columns=2
      }
    }
