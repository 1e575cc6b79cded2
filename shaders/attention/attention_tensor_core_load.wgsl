// Loads the subgroup's rows from workgroup memory as left operands. Parameter left: their name, $left0, $left1, ...
  workgroupBarrier();
  //#unroll i K_FRAGMENTS
  let $left$i = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + $iu * MAT_K / 8u, SHARED_STRIDE);
  //#end
  workgroupBarrier();
