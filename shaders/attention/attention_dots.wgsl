        // What a slice adds to $columns scores of each own row.
        for (var d = 0u; d < depth; d++) {
          //#unroll r 4
          let own$r = tile[d * OWN_STRIDE + 4u * g + $ru];
          //#end
          //#unroll e $columns
          {
            let other = tile[OTHER_AT + d * OTHER_STRIDE + t + $eu * LANES];
            //#unroll r 4
            $scores$e[$r] = add_dot(own$r, other, $scores$e[$r]);
            //#end
          }
          //#end
        }
