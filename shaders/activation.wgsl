// y = act(x), and its gradient dx = dy act'(x); one invocation an element, SIZE elements.
// QUICK_GELU, GELU or neither (relu, whose derivative at 0 is 0) says which function.

//#include activation_functions

fn value(x: f32) -> f32 {
  if (QUICK_GELU) { return quick_gelu(x); }
  if (GELU) { return gelu(x); }
  return max(x, 0.0);
}

fn derivative(x: f32) -> f32 {
  if (QUICK_GELU) { return quick_gelu_derivative(x); }
  if (GELU) { return gelu_derivative(x); }
  return select(0.0, 1.0, x > 0.0);
}

//#if GRADIENT
@compute @workgroup_size(WORKGROUP)
fn gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  dx[i] = dy[i] * derivative(x[i]);
}
//#else
@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  y[i] = value(x[i]);
}
//#endif
