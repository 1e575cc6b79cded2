// Converts between float32 and float16, y = x. One invocation four values.
//
// Bindings: x read, y written, bound as vec4; SIZE: vectors

fn element(i: u32) {
  store_y(i, load_x(i));
}
