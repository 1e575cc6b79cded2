// First lines of the entry points of attention_shared_memory.wgsl: which rows of which head the workgroup and this lane have.
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let g = lane / ROW_LANES;
  let t = lane % ROW_LANES;
  let rows = vec4u(first + 4u * g) + vec4u(0u, 1u, 2u, 3u);
  // SLICE, hidden from the compiler so that it does not unroll loops.
  let depth = min(groups.z, 1u) * SLICE;
