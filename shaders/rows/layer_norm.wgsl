// Layer normalisation by rows. With xhat = (x - mean) rstd, rstd = 1 / sqrt(variance + EPSILON), the variance biased:
//   forward      y = xhat gamma + beta
//   gradient     dx = rstd (g - mean of g - xhat (mean of g xhat)) + residual, g = dy gamma
//   parameters   dgamma = sum over rows of dy xhat, dbeta = sum over rows of dy
// The mean is summed of x - first element of the row: constant rows come out exact, a common offset costs less.
// A row belongs to
//   ROW_PER_THREAD   one invocation, which reads it twice: for software adapters
//   HOLDS            a workgroup, which reads it once and keeps HELD vectors an invocation in registers
//   else             a workgroup, which reads it as often as it needs it: rows too wide for registers
//
// Bindings: x, y, dx, dy, residual [ROWS, WIDTH]; gamma, beta, dgamma, dbeta [WIDTH]; mean, rstd [ROWS], float32 like the parameters
// Sizes: ROWS, WIDTH, EPSILON; STEPS: elements of a row, which are vectors of four if VECTOR
// Constants: GRADIENT, PARAMETERS: else forward; SAVE: forward writes mean and rstd; RESIDUAL: the gradient that bypasses the
//   normalisation is added; VECTOR; GROUP: rows of an invocation if ROW_PER_THREAD, always 1 here; COLUMNS, LINES: the workgroup of
//   `parameters`; and those of row_reduction.wgsl

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
      sums += load_dy(at) * vec2f((x[at] - mean[row]) * rstd[row], 1.0);
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
//#if VECTOR
// Four columns at a time.
alias Columns = vec4f;
const LANES = 4u;
fn total(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }
fn first_of(v: vec4f) -> f32 { return v.x; }
//#else
alias Columns = f32;
const LANES = 1u;
fn total(v: f32) -> f32 { return v; }
fn first_of(v: f32) -> f32 { return v; }
//#endif

//#if ROW_PER_THREAD
fn row_per_thread(row: u32) {
  let base = row * STEPS;
  //#if GRADIENT
  let centre = Columns(mean[row]);
  let scale = rstd[row];
  var sum = Columns(0.0);
  var product = Columns(0.0);
  for (var i = 0u; i < STEPS; i++) {
    let g = load_dy(base + i) * load_gamma(i);
    sum += g;
    product += g * (load_x(base + i) - centre);
  }
  let mean_g = Columns(total(sum) / f32(WIDTH));
  let mean_g_xhat = total(product) * scale * scale / f32(WIDTH);
  for (var i = 0u; i < STEPS; i++) {
    let g = load_dy(base + i) * load_gamma(i);
    finish_gradient(base + i, scale * (g - mean_g - (load_x(base + i) - centre) * mean_g_xhat));
  }
  //#else
  // Welford's means and sums of squares, one of each for every lane of the vector, joined in the end.
  let first = Columns(first_of(load_x(base)));
  var means = Columns(0.0);
  var squares = Columns(0.0);
  for (var i = 0u; i < STEPS; i++) {
    let value = load_x(base + i) - first;
    let difference = value - means;
    means += difference / f32(i + 1u);
    squares += difference * (value - means);
  }
  let shift = total(means) / f32(LANES);
  let apart = means - Columns(shift);
  let variance = (total(squares) + f32(STEPS) * total(apart * apart)) / f32(WIDTH);
  let centre = first_of(first) + shift;
  let scale = 1.0 / sqrt(variance + EPSILON);
  for (var i = 0u; i < STEPS; i++) {
    store_y(base + i, (load_x(base + i) - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  //#if SAVE
  mean[row] = centre;
  rstd[row] = scale;
  //#endif
  //#endif
}
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn row_per_workgroup(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  //#include row_builtins
) {
  //#include row_enter
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * STEPS;
  //#if GRADIENT
  let centre = Columns(mean[row]);
  let scale = rstd[row];
  var sum = Columns(0.0);
  var product = Columns(0.0);
  //#if HOLDS
  //#unroll i HELD
  var g$i = Columns(0.0);
  var xhat$i = Columns(0.0);
  if (lane + $iu * WORKGROUP < STEPS) {
    let at = base + lane + $iu * WORKGROUP;
    g$i = load_dy(at) * load_gamma(lane + $iu * WORKGROUP);
    xhat$i = (load_x(at) - centre) * scale;
  }
  sum += g$i;
  product += g$i * xhat$i;
  //#end
  let means = workgroup_sum2(vec2f(total(sum), total(product)), lane) / f32(WIDTH);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < STEPS) {
    finish_gradient(base + lane + $iu * WORKGROUP, scale * (g$i - Columns(means.x) - xhat$i * means.y));
  }
  //#end
  //#else
  for (var i = lane; i < STEPS; i += WORKGROUP) {
    let g = load_dy(base + i) * load_gamma(i);
    sum += g;
    product += g * (load_x(base + i) - centre) * scale;
  }
  let means = workgroup_sum2(vec2f(total(sum), total(product)), lane) / f32(WIDTH);
  for (var i = lane; i < STEPS; i += WORKGROUP) {
    let xhat = (load_x(base + i) - centre) * scale;
    finish_gradient(base + i, scale * (load_dy(base + i) * load_gamma(i) - Columns(means.x) - xhat * means.y));
  }
  //#endif
  //#else
  let first = first_of(load_x(base));
  var sum = Columns(0.0);
  var squares = Columns(0.0);
  //#if HOLDS
  //#unroll i HELD
  var x$i = Columns(first);
  if (lane + $iu * WORKGROUP < STEPS) { x$i = load_x(base + lane + $iu * WORKGROUP); }
  sum += x$i - Columns(first);
  //#end
  let centre = first + workgroup_sum(total(sum), lane) / f32(WIDTH);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < STEPS) {
    let d = x$i - Columns(centre);
    squares += d * d;
  }
  //#end
  //#else
  for (var i = lane; i < STEPS; i += WORKGROUP) { sum += load_x(base + i) - Columns(first); }
  let centre = first + workgroup_sum(total(sum), lane) / f32(WIDTH);
  for (var i = lane; i < STEPS; i += WORKGROUP) {
    let d = load_x(base + i) - Columns(centre);
    squares += d * d;
  }
  //#endif
  let scale = 1.0 / sqrt(workgroup_sum(total(squares), lane) / f32(WIDTH) + EPSILON);
  //#if HOLDS
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < STEPS) {
    let i = lane + $iu * WORKGROUP;
    store_y(base + i, (x$i - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  //#end
  //#else
  for (var i = lane; i < STEPS; i += WORKGROUP) {
    store_y(base + i, (load_x(base + i) - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  //#endif
  //#if SAVE
  if (lane == 0u) {
    mean[row] = centre;
    rstd[row] = scale;
  }
  //#endif
  //#endif
}
//#endif

//#if GRADIENT
// Stores a part of dx, with the gradient that bypasses the normalisation.
fn finish_gradient(at: u32, value: Columns) {
  //#if RESIDUAL
  store_dx(at, value + load_residual(at));
  //#else
  store_dx(at, value);
  //#endif
}
//#endif
//#endif
