// Mean absolute difference of SIZE elements, in a fixed order:
//   terms[group] = SCALE * sum over the group's elements of |a - b|, SCALE = 1 / SIZE; shaders/reduce.wgsl adds them
//   gradient     = upstream SCALE sign(a - b) for a, its negative for b; 0 where a = b

//#if GRADIENT
@compute @workgroup_size(WORKGROUP)
fn gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  let slope = upstream[0] * SCALE * sign(a[i] - b[i]);
  //#if WANT_A
  da[i] = slope;
  //#endif
  //#if WANT_B
  db[i] = -slope;
  //#endif
}
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn terms_of(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = group.x * WORKGROUP + lane; i < SIZE; i += WORKGROUP * GROUPS) { sum += abs(a[i] - b[i]); }
  sum = workgroup_sum(sum, lane);
  if (lane == 0u) { terms[group.x] = SCALE * sum; }
}
//#endif
