// What a slice of columns adds to the scores of each of a lane's rows. Parameters:
//   scores     the scores, as in attention_shared_memory_scores.wgsl
//   columns    how many streamed rows the lane scores: 4, or 2 where the chunk is half full
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
