// PyTorch's SGD: d = gradient + WEIGHT_DECAY * p;  v = MOMENTUM * v + d;  p = p - rate * v.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  let v = MOMENTUM * velocity[i] + gradient[i] + WEIGHT_DECAY * parameter[i];
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
}
