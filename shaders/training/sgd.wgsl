// PyTorch's SGD with momentum, one invocation an element: d = gradient + WEIGHT_DECAY p;  v = MOMENTUM v + d;  p = p - rate v
//
// Bindings: gradient, rate [1], gate [1] read; parameter (p), velocity (v) changed; float32
// Constants: MOMENTUM, WEIGHT_DECAY; GATED: a gate of 0 leaves everything as it is

fn element(i: u32) {
  //#if GATED
  if (gate[0] == 0.0) { return; }
  //#endif
  let v = MOMENTUM * velocity[i] + gradient[i] + WEIGHT_DECAY * parameter[i];
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
}
