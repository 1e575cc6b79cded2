// Softmax and its logarithm over rows of WIDTH elements, one workgroup a row:
//   softmax      y = exp(x - max) / sum of exp(x - max)
//   log_softmax  y = x - max - log(sum of exp(x - max))
// and their gradients, from the result y:
//   softmax      dx = y (dy - sum of y dy)
//   log_softmax  dx = dy - exp(y) (sum of dy)

//#include row_reduction

//#if GRADIENT
@compute @workgroup_size(WORKGROUP)
fn gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * WIDTH;
  var sum = 0.0;
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    if (LOG) { sum += dy[i]; } else { sum += y[i] * dy[i]; }
  }
  sum = workgroup_sum(sum, lane);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    if (LOG) { dx[i] = dy[i] - exp(y[i]) * sum; } else { dx[i] = y[i] * (dy[i] - sum); }
  }
}
//#else
@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * WIDTH;
  var largest = x[base];
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { largest = max(largest, x[i]); }
  largest = workgroup_max(largest, lane);
  var sum = 0.0;
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { sum += exp(x[i] - largest); }
  sum = workgroup_sum(sum, lane);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    if (LOG) { y[i] = x[i] - largest - log(sum); } else { y[i] = exp(x[i] - largest) / sum; }
  }
}
//#endif
