// Adds half a chunk of rows by their weights to columns 4 t .. 4 t + 3 of a lane's rows. Parameters:
//   sums             $sums0 .. $sums3, one a row
//   first, second    weights of the lane's rows for streamed rows t and t + 16 of the half chunk
//   streamed         q, k, v or do
//   start            first row of the half: 0u or HALF_CHUNK
    if (chunk + $start < end) {
      //#unroll f 4
      let row$f = load_$streamed(batch, head, chunk + $start + lane / HEAD + $fu * INVOCATIONS / HEAD, t);
      //#end
      workgroupBarrier();
      workgroup_memory[t * WEIGHTS_STRIDE + g] = $first;
      workgroup_memory[(t + ROW_LANES) * WEIGHTS_STRIDE + g] = $second;
      //#unroll f 4
      workgroup_memory[ROWS_AT + lane + $fu * INVOCATIONS] = row$f;
      //#end
      workgroupBarrier();
      let count = min(depth * HALF_CHUNK / SLICE, end - chunk - $start);
      // Rows that make the count a multiple of four are there and have no weight.
      for (var i = 0u; i < count; i += 4u) {
        //#unroll u 4
        {
          let w = workgroup_memory[(i + $uu) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + $uu) * HEAD + t];
          //#unroll r 4
          $sums$r = fma(vec4f(w[$r]), streamed, $sums$r);
          //#end
        }
        //#end
      }
    }
