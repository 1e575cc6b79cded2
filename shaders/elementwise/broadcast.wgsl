// Repeats a tensor along a new axis, y[o, r, i] = x[o, i]. One invocation an element of y.
//
// Bindings: x [outer, INNER] read, y [outer, REDUCED, INNER] written; float32
// Sizes: REDUCED, INNER; SIZE: elements of y

fn element(i: u32) {
  y[i] = x[i / (REDUCED * INNER) * INNER + i % INNER];
}
