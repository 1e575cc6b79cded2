// Scores of the subgroup's rows against a block, into workgroup memory. Parameters:
//   left     the left operands
//   start    first row of the block in workgroup memory
    {
      // The zero is written out: without it the sums keep those of the block before on lavapipe.
      //#unroll j N_FRAGMENTS
      var s$j = Sum();
      //#unroll i K_FRAGMENTS
      s$j = subgroupMatrixMultiplyAccumulate(
        $left$i,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, ($start + $ju * MAT_N) * SHARED_STRIDE + $iu * MAT_K / 8u, SHARED_STRIDE),
        s$j,
      );
      //#end
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + $ju * MAT_N / 4u, s$j, SCORES_STRIDE);
      //#end
    }
    workgroupBarrier();
