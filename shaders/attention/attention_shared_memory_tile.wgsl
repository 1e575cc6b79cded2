  // Which rows of which head a workgroup owns, and which of them this lane does.
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let g = lane / ROW_LANES;
  let t = lane % ROW_LANES;
  let rows = vec4u(first + 4u * g) + vec4u(0u, 1u, 2u, 3u);
  // SLICE, which no compiler knows.
  let depth = min(groups.z, 1u) * SLICE;
