// Layer normalisation of rows of WIDTH elements, one workgroup a row, or one
// invocation (ALONE). With xhat = (x - mean) rstd,
// rstd = 1 / sqrt(variance + EPSILON), the variance biased:
//   forward    y = xhat gamma + beta
//   gradient   dx = rstd (g - mean of g - xhat (mean of g xhat)) + residual, g = dy gamma
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
const STEPS = WIDTH / LANES;

//#if ALONE
@compute @workgroup_size(WORKGROUP)
fn alone(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = flat_index(id, groups);
  if (row < ROWS) { normalise(row, 0u, 1u); }
}

fn sum_row2(value: vec2f, lane: u32) -> vec2f { return value; }
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn together(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row < ROWS) { normalise(row, lane, WORKGROUP); }
}

fn sum_row2(value: vec2f, lane: u32) -> vec2f { return workgroup_sum2(value, lane); }
//#endif

fn sum_row(value: f32, lane: u32) -> f32 { return sum_row2(vec2f(value, 0.0), lane).x; }

// The columns lane, lane + stride, ... of a row.
fn normalise(row: u32, lane: u32, stride: u32) {
  let base = row * STEPS;
  //#if GRADIENT
  let centre = Columns(mean[row]);
  let scale = rstd[row];
  var sum = Columns(0.0);
  var product = Columns(0.0);
  for (var i = lane; i < STEPS; i += stride) {
    let g = load_dy(base + i) * load_gamma(i);
    sum += g;
    product += g * (load_x(base + i) - centre) * scale;
  }
  let means = sum_row2(vec2f(total(sum), total(product)), lane) / f32(WIDTH);
  for (var i = lane; i < STEPS; i += stride) {
    let xhat = (load_x(base + i) - centre) * scale;
    var value = scale * (load_dy(base + i) * load_gamma(i) - Columns(means.x) - xhat * means.y);
    //#if RESIDUAL
    value += load_residual(base + i);
    //#endif
    store_dx(base + i, value);
  }
  //#else
  let first = first_of(load_x(base));
  var sum = Columns(0.0);
  for (var i = lane; i < STEPS; i += stride) { sum += load_x(base + i) - Columns(first); }
  let centre = first + sum_row(total(sum), lane) / f32(WIDTH);
  var squares = Columns(0.0);
  for (var i = lane; i < STEPS; i += stride) {
    let d = load_x(base + i) - Columns(centre);
    squares += d * d;
  }
  let scale = 1.0 / sqrt(sum_row(total(squares), lane) / f32(WIDTH) + EPSILON);
  for (var i = lane; i < STEPS; i += stride) {
    store_y(base + i, (load_x(base + i) - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  //#if SAVE
  if (lane == 0u) {
    mean[row] = centre;
    rstd[row] = scale;
  }
  //#endif
  //#endif
}
//#endif
