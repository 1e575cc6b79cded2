// First lines of the entry points: which rows of which head the workgroup, this subgroup and this lane have.
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let subgroup_row = subgroup * MAT_M;
  // The row of this lane, in the tile and among all tokens, and which of the lanes of that row it is.
  let row = subgroup_row + lane / LANES_PER_ROW;
  let token = first + row;
  let row_lane = lane % LANES_PER_ROW;
