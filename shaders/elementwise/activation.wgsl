// y = act(x), and its gradient dx = dy act'(x), by elements of four values where VECTOR.
// QUICK_GELU, GELU or neither (relu, whose derivative at 0 is 0) says which function.

//#include activation_functions

fn value(x: f32) -> f32 {
  if (QUICK_GELU) { return quick_gelu(x); }
  if (GELU) { return gelu(x); }
  return relu(x);
}

fn derivative(x: f32) -> f32 {
  if (QUICK_GELU) { return quick_gelu_derivative(x); }
  if (GELU) { return gelu_derivative(x); }
  return relu_derivative(x);
}

//#if VECTOR
fn values(x: vec4f) -> vec4f { return vec4f(value(x.x), value(x.y), value(x.z), value(x.w)); }
fn derivatives(x: vec4f) -> vec4f {
  return vec4f(derivative(x.x), derivative(x.y), derivative(x.z), derivative(x.w));
}
//#else
fn values(x: f32) -> f32 { return value(x); }
fn derivatives(x: f32) -> f32 { return derivative(x); }
//#endif

//#if GRADIENT
fn gradient(i: u32) {
  store_dx(i, load_dy(i) * derivatives(load_x(i)));
}
//#else
fn forward(i: u32) {
  store_y(i, values(load_x(i)));
}
//#endif
