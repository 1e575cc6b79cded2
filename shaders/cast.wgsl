// y = x, stored in another way; one invocation four values, SIZE of them.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i < SIZE) { store_y(i, load_x(i)); }
}
