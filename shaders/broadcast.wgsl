// y[o, r, i] = x[o, i]: x is [outer, INNER], y is [outer, REDUCED, INNER], SIZE elements in all.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = x[i / (REDUCED * INNER) * INNER + i % INNER];
}
