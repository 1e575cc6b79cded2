  // Which rows a workgroup owns, and which of them this subgroup does.
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  let own = subgroup * MAT_M;
  // The row of this lane, in the workgroup and among all, and which vectors of a row of the strip it takes.
  let row = own + lane / PARTS;
  let token = first + row;
  let part = lane % PARTS;
