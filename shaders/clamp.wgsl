// x = min(x, LARGEST), one invocation an element, SIZE elements

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  x[i] = min(x[i], LARGEST);
}
