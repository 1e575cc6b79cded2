  // $sums through the strip to $store, whose row of this lane begins at $target.
  //#unroll h BLOCKS_PER_HEAD
  workgroupBarrier();
  //#unroll j N_FRAGMENTS
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + $ju * MAT_N / 4u, $sums$h_$j, SCORES_STRIDE);
  //#end
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < TOKENS; c++) {
    $store($target + $hu * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
  //#end
