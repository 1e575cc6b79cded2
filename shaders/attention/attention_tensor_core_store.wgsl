// Stores sums through workgroup memory. Parameters:
//   sums      as in attention_tensor_core_accumulate.wgsl
//   store     function that stores four values
//   target    where this lane's row begins, in vectors of four
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
