    // Scores of $left against the BLOCK rows of the stage that begin at $start, into the subgroup's strip.
    {
      // Sums begin with a zero in the text: without it they keep those of the block before on lavapipe.
      //#unroll j SCORES
      var s$j = Sum();
      //#unroll i LEFTS
      s$j = subgroupMatrixMultiplyAccumulate(
        $left$i,
        subgroupMatrixLoad<Right, col_major>(&stage, ($start + $ju * MAT_N) * STAGE + $iu * MAT_K / 8u, STAGE),
        s$j,
      );
      //#end
      subgroupMatrixStore<row_major>(&strips, own * STRIP + $ju * MAT_N / 4u, s$j, STRIP);
      //#end
    }
    workgroupBarrier();
