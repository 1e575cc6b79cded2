// Adds a block of rows by the subgroup's weights to its sums. Parameters:
//   sums     $sums of a head's columns, BLOCKS_PER_HEAD x N_FRAGMENTS matrices
//   start    first row of the block in workgroup memory
    workgroupBarrier();
    //#unroll q WEIGHT_FRAGMENTS
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + $qu * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = ($start + $qu * MAT_K) * SHARED_STRIDE;
      //#unroll h BLOCKS_PER_HEAD
      //#unroll j N_FRAGMENTS
      $sums$h_$j = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + ($hu * BLOCK + $ju * MAT_N) / 8u, SHARED_STRIDE),
        $sums$h_$j,
      );
      //#end
      //#end
    }
    //#end
