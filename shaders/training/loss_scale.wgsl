// The scale of the loss after a step: halved (not below 1) if the gradients overflowed, doubled (not beyond LARGEST) after INTERVAL good
// steps. One invocation.
//
// Bindings: finite [1] read: 0 if the gradients overflowed; scale, inverse (1 / scale), good (good steps since the last change), each
//   [1], changed; float32
// Constants: INTERVAL, LARGEST

//#include nan

@compute @workgroup_size(1)
fn main() {
  var next = scale[0];
  var steps = good[0] + 1.0;
  if (finite[0] == 0.0) {
    next = select(max(1.0, next * 0.5), next, is_nan(next));
    steps = 0.0;
  } else if (steps >= INTERVAL) {
    next = select(min(LARGEST, next * 2.0), next, is_nan(next));
    steps = 0.0;
  }
  scale[0] = next;
  inverse[0] = 1.0 / next;
  good[0] = steps;
}
