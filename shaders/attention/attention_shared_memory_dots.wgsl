        // What a slice adds to $columns scores of each own row.
        for (var d = 0u; d < depth; d++) {
          //#unroll r 4
          let tile$r = workgroup_memory[d * TILE_STRIDE + 4u * g + $ru];
          //#end
          //#unroll e $columns
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + $eu * ROW_LANES];
            //#unroll r 4
            $scores$e[$r] = add_dot(tile$r, streamed, $scores$e[$r]);
            //#end
          }
          //#end
        }
