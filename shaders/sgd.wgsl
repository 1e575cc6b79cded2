// PyTorch's SGD: d = gradient + WEIGHT_DECAY * p;  v = MOMENTUM * v + d;  p = p - rate * v. Where GATED, a gate of 0 leaves
// everything as it is.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  //#if GATED
  if (gate[0] == 0.0) { return; }
  //#endif
  let v = MOMENTUM * velocity[i] + gradient[i] + WEIGHT_DECAY * parameter[i];
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
}
