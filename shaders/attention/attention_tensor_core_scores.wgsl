    // Scores of $left against the BLOCK rows of the shared_rows that begin at $start, into the subgroup's strip.
    {
      // Sums begin with a zero in the text: without it they keep those of the block before on lavapipe.
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
