// y = act(x), and its gradient dx = dy act'(x), by elements of four values where VECTOR. ACTIVATION names the function.

//#include activation_functions

//#if VECTOR
fn values(x: vec4f) -> vec4f {
  return vec4f($ACTIVATION(x.x), $ACTIVATION(x.y), $ACTIVATION(x.z), $ACTIVATION(x.w));
}
fn derivatives(x: vec4f) -> vec4f {
  return vec4f(
    $ACTIVATION_derivative(x.x), $ACTIVATION_derivative(x.y), $ACTIVATION_derivative(x.z), $ACTIVATION_derivative(x.w),
  );
}
//#else
fn values(x: f32) -> f32 { return $ACTIVATION(x); }
fn derivatives(x: f32) -> f32 { return $ACTIVATION_derivative(x); }
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
