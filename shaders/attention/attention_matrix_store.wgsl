  // $sums through the strip to $store, whose row of this lane begins at $target.
  //#unroll h HALVES
  workgroupBarrier();
  //#unroll j SCORES
  subgroupMatrixStore<row_major>(&strips, own * STRIP + $ju * MAT_N / 4u, $sums$h_$j, STRIP);
  //#end
  workgroupBarrier();
  for (var c = 0u; c < QUADS && token < TOKENS; c++) {
    $store($target + $hu * BLOCK / 4u + part * QUADS + c, strips[row * STRIP + part * QUADS + c]);
  }
  //#end
