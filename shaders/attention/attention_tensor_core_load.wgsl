  // The subgroup's rows of what is staged, as left operands $left.
  workgroupBarrier();
  //#unroll i K_FRAGMENTS
  let $left$i = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + $iu * MAT_K / 8u, SHARED_STRIDE);
  //#end
  workgroupBarrier();
