// Rows scaled to length 1, one workgroup a row: y = x / |x|, with no epsilon (entry `forward`), and the gradient,
// dx = (dy - x (x . dy) / |x|^2) / |x|, from x itself, so that nothing is saved (entry `gradient`).
//
// Bindings: x, and dy if GRADIENT, read; y or dx written; [ROWS, WIDTH], float32
// Sizes: ROWS, WIDTH. Constants: GRADIENT, and those of row_reduction.wgsl

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
  var sums = vec2f(0.0);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { sums += x[i] * vec2f(x[i], dy[i]); }
  sums = workgroup_sum2(sums, lane);
  let share = sums.y / sums.x;
  let scale = 1.0 / sqrt(sums.x);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { dx[i] = (dy[i] - x[i] * share) * scale; }
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
  var sum = 0.0;
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { sum += x[i] * x[i]; }
  let scale = 1.0 / sqrt(workgroup_sum(sum, lane));
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { y[i] = x[i] * scale; }
}
//#endif
