// Adds to a running sum, total = total + weight x. One invocation an element.
//
// Bindings: x, and weight [1], read; total changed; float32

fn element(i: u32) {
  total[i] += weight[0] * x[i];
}
