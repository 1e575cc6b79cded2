// Layer normalisation of rows of WIDTH elements, one workgroup a row. With xhat = (x - mean) rstd,
// rstd = 1 / sqrt(variance + EPSILON), the variance biased:
//   forward    y = xhat gamma + beta
//   gradient   dx = rstd (g - mean of g - xhat (mean of g xhat)), g = dy gamma
//   parameters dgamma = sum over rows of dy xhat, dbeta = sum over rows of dy
// The mean is summed of x - first element of the row: constant rows come out exact, a common offset costs less.

//#if PARAMETERS
// A workgroup has COLUMNS columns; each invocation sums every LINES-th row of one column.
var<workgroup> partial: array<vec2f, COLUMNS * LINES>;

@compute @workgroup_size(COLUMNS, LINES)
fn parameters(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * COLUMNS + local.x;
  var sums = vec2f(0.0);
  if (column < WIDTH) {
    for (var row = local.y; row < ROWS; row += LINES) {
      let at = row * WIDTH + column;
      sums += dy[at] * vec2f((x[at] - mean[row]) * rstd[row], 1.0);
    }
  }
  partial[local.y * COLUMNS + local.x] = sums;
  workgroupBarrier();
  if (local.y > 0u || column >= WIDTH) { return; }
  for (var line = 1u; line < LINES; line++) { sums += partial[line * COLUMNS + local.x]; }
  dgamma[column] = sums.x;
  dbeta[column] = sums.y;
}
//#else
//#if ALONE
fn sum4(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }

//#if FORWARD
@compute @workgroup_size(WORKGROUP)
fn forward_alone(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = flat_index(id, groups);
  if (row >= ROWS) { return; }
  let base = row * (WIDTH / 4u);
  let first = vec4f(x[base].x);
  var sum = vec4f(0.0);
  for (var i = 0u; i < WIDTH / 4u; i++) { sum += x[base + i] - first; }
  let centre = first.x + sum4(sum) / f32(WIDTH);
  var squares = vec4f(0.0);
  for (var i = 0u; i < WIDTH / 4u; i++) {
    let d = x[base + i] - vec4f(centre);
    squares += d * d;
  }
  let scale = 1.0 / sqrt(sum4(squares) / f32(WIDTH) + EPSILON);
  for (var i = 0u; i < WIDTH / 4u; i++) {
    y[base + i] = (x[base + i] - vec4f(centre)) * scale * gamma[i] + beta[i];
  }
  //#if SAVE
  mean[row] = centre;
  rstd[row] = scale;
  //#endif
}
//#endif

//#if GRADIENT
@compute @workgroup_size(WORKGROUP)
fn gradient_alone(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = flat_index(id, groups);
  if (row >= ROWS) { return; }
  let base = row * (WIDTH / 4u);
  let centre = vec4f(mean[row]);
  let scale = rstd[row];
  var sum = vec4f(0.0);
  var product = vec4f(0.0);
  for (var i = 0u; i < WIDTH / 4u; i++) {
    let g = dy[base + i] * gamma[i];
    sum += g;
    product += g * (x[base + i] - centre) * scale;
  }
  let mean_g = vec4f(sum4(sum) / f32(WIDTH));
  let mean_product = sum4(product) / f32(WIDTH);
  for (var i = 0u; i < WIDTH / 4u; i++) {
    let xhat = (x[base + i] - centre) * scale;
    dx[base + i] = scale * (dy[base + i] * gamma[i] - mean_g - xhat * mean_product);
  }
}
//#endif
//#else
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
  let centre = mean[row];
  let scale = rstd[row];
  var sums = vec2f(0.0);
  for (var i = lane; i < WIDTH; i += WORKGROUP) {
    let g = dy[base + i] * gamma[i];
    sums += g * vec2f(1.0, (x[base + i] - centre) * scale);
  }
  let means = workgroup_sum2(sums, lane) / f32(WIDTH);
  for (var i = lane; i < WIDTH; i += WORKGROUP) {
    let xhat = (x[base + i] - centre) * scale;
    dx[base + i] = scale * (dy[base + i] * gamma[i] - means.x - xhat * means.y);
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
  let first = x[base];
  var sum = 0.0;
  for (var i = lane; i < WIDTH; i += WORKGROUP) { sum += x[base + i] - first; }
  let centre = first + workgroup_sum(sum, lane) / f32(WIDTH);
  var squares = 0.0;
  for (var i = lane; i < WIDTH; i += WORKGROUP) {
    let d = x[base + i] - centre;
    squares += d * d;
  }
  let scale = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(WIDTH) + EPSILON);
  for (var i = lane; i < WIDTH; i += WORKGROUP) {
    y[base + i] = (x[base + i] - centre) * scale * gamma[i] + beta[i];
  }
  //#if SAVE
  if (lane == 0u) {
    mean[row] = centre;
    rstd[row] = scale;
  }
  //#endif
}
//#endif
//#endif
//#endif
