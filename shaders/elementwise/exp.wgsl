// Exponential, y = e^x. One invocation an element.
//
// Bindings: x read, y written; float32. SIZE: elements

//#include nan

fn element(i: u32) {
  y[i] = exp_of(x[i]);
}
