// Element-by-element kernels, one invocation an element (of four values where the sizes allow it).
// SIZE elements; b is repeated every B_SIZE elements (broadcast over leading axes), or is one number (B_SCALAR).

//#if B_SCALAR
fn second(i: u32) -> f32 { return b[0]; }
//#else
//#if VECTOR
fn second(i: u32) -> vec4f { return b[select(i % B_SIZE, i, B_SIZE == SIZE)]; }
//#else
fn second(i: u32) -> f32 { return b[select(i % B_SIZE, i, B_SIZE == SIZE)]; }
//#endif
//#endif

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = a[i] + second(i);
}

@compute @workgroup_size(WORKGROUP)
fn multiply(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = a[i] * second(i);
}
