// Sets a running sum to 0, whatever it was: after an overflowed step it may hold infinities and NaN. One invocation an element.
//
// Bindings: total written; float32

fn element(i: u32) {
  total[i] = 0.0;
}
