  // The subgroup's rows of what is staged, as left operands $left.
  workgroupBarrier();
  //#unroll i LEFTS
  let $left$i = subgroupMatrixLoad<Left, row_major>(&stage, own * STAGE + $iu * MAT_K / 8u, STAGE);
  //#end
  workgroupBarrier();
