    // $sums += the subgroup's weights * the BLOCK rows of the stage that begin at $start.
    workgroupBarrier();
    //#unroll q STEPS
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, own * WEIGHTS + $qu * MAT_K / 4u, WEIGHTS);
      let at = ($start + $qu * MAT_K) * STAGE;
      //#unroll h HALVES
      //#unroll j SCORES
      $sums$h_$j = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&stage, at + ($hu * BLOCK + $ju * MAT_N) / 8u, STAGE),
        $sums$h_$j,
      );
      //#end
      //#end
    }
    //#end
