// Activation, y = act(x), and its gradient, dx = dy act'(x). One invocation an element, which is four values if VECTOR.
//
// Bindings: x, dy read, y or dx written; all of one shape, float32 or float16
// Constants: VECTOR; GRADIENT: the gradient; ACTIVATION: the function of activation_functions.wgsl. SIZE: elements

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
