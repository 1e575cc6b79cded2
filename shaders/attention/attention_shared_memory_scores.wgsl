// Scores of a tile against a chunk, slice by slice of their columns. Loads come before the barrier: they are on their way while
// others finish with the slice before. Parameters:
//   scores      $scores0 .. $scores3 = rows 4 g .. 4 g + 3 of the tile times rows t, t + 16, t + 32, t + 48 of the chunk
//   tile        q, k, v or do: rows of the tile
//   streamed    the same: rows of the chunk
    //#unroll e 4
    var $scores$e = vec4f(0.0);
    //#end
    for (var slice = 0u; slice < depth * HEAD / SLICE; slice += SLICE) {
      let column = slice + lane % SLICE;
      //#unroll f 2
      let tile$f = load_$tile(batch, head, first + lane / SLICE + $fu * FETCH, column);
      let streamed$f = load_$streamed(batch, head, chunk + lane / SLICE + $fu * FETCH, column);
      //#end
      workgroupBarrier();
      let at = lane % SLICE * TILE_STRIDE + lane / SLICE;
      let streamed_at = STREAMED_AT + lane % SLICE * STREAMED_STRIDE + lane / SLICE;
      //#unroll f 2
      workgroup_memory[at + $fu * FETCH] = tile$f;
      workgroup_memory[streamed_at + $fu * FETCH] = streamed$f;
      //#end
      if (whole) {
        //#unroll f 2
        let streamed$f = load_$streamed(batch, head, chunk + HALF_CHUNK + lane / SLICE + $fu * FETCH, column);
        //#end
        //#unroll f 2
        workgroup_memory[streamed_at + HALF_CHUNK + $fu * FETCH] = streamed$f;
        //#end
        workgroupBarrier();
        //#include attention_shared_memory_dots scores=$scores columns=4
      } else {
        workgroupBarrier();
        //#include attention_shared_memory_dots scores=$scores columns=2
      }
    }
