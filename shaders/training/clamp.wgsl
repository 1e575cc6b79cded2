// Limits values from above, x = min(x, LARGEST), and keeps NaN. One invocation an element.
//
// Bindings: x changed; float32. LARGEST: the limit

//#include nan

fn element(i: u32) {
  x[i] = select(min(x[i], LARGEST), x[i], is_nan(x[i]));
}
