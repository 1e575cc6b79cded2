  // Which rows a workgroup owns, and which of them this subgroup does.
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let subgroup_row = subgroup * MAT_M;
  // The row of this lane, in the workgroup and among all, and which vectors of a row of the strip it takes.
  let row = subgroup_row + lane / LANES_PER_ROW;
  let token = first + row;
  let row_lane = lane % LANES_PER_ROW;
