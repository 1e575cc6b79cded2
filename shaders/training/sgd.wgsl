// PyTorch's SGD: d = gradient + WEIGHT_DECAY * p;  v = MOMENTUM * v + d;  p = p - rate * v. Where GATED, a gate of 0 leaves
// everything as it is.

fn element(i: u32) {
  //#if GATED
  if (gate[0] == 0.0) { return; }
  //#endif
  let v = MOMENTUM * velocity[i] + gradient[i] + WEIGHT_DECAY * parameter[i];
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
}
