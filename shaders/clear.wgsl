// total = 0, whatever it was: infinities and NaN of an overflowed step too.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  total[i] = 0.0;
}
