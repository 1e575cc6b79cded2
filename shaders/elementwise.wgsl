// Element-by-element kernels, one invocation an element.
// SIZE elements; in binary kernels b is repeated every B_SIZE elements (broadcast over leading axes).

//#if BINARY
@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = a[i] + b[i % B_SIZE];
}

@compute @workgroup_size(WORKGROUP)
fn multiply(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = a[i] * b[i % B_SIZE];
}
//#endif
