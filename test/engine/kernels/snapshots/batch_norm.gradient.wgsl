const WORKGROUP: u32 = 64u;
const GRADIENT: bool = true;
const BATCH_STATISTICS: bool = true;
const WANT_X: bool = true;
const WANT_GAMMA: bool = true;
const WANT_BETA: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
fn load_gamma(i: u32) -> f32 { return gamma[i]; }
@group(0) @binding(2) var<storage, read> mean: array<f32>;
fn load_mean(i: u32) -> f32 { return mean[i]; }
@group(0) @binding(3) var<storage, read> variance: array<f32>;
fn load_variance(i: u32) -> f32 { return variance[i]; }
@group(0) @binding(4) var<storage, read> dy: array<f32>;
fn load_dy(i: u32) -> f32 { return dy[i]; }
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
fn load_dx(i: u32) -> f32 { return dx[i]; }
fn store_dx(i: u32, v: f32) { dx[i] = v; }
@group(0) @binding(6) var<storage, read_write> dgamma: array<f32>;
fn load_dgamma(i: u32) -> f32 { return dgamma[i]; }
fn store_dgamma(i: u32, v: f32) { dgamma[i] = v; }
@group(0) @binding(7) var<storage, read_write> dbeta: array<f32>;
fn load_dbeta(i: u32) -> f32 { return dbeta[i]; }
fn store_dbeta(i: u32, v: f32) { dbeta[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, EPSILON: f32, SIZE: u32 }
@group(0) @binding(8) var<uniform> uniforms: Uniforms;
fn gradient(column: u32) {
  let centre = mean[column];
  let rstd = 1.0 / sqrt(variance[column] + uniforms.EPSILON);
  var sums = vec2f(0.0);
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) { sums += dy[i] * vec2f((x[i] - centre) * rstd, 1.0); }
  let scale = gamma[column] * rstd;
  let means = select(vec2f(0.0), sums / f32(uniforms.ROWS), BATCH_STATISTICS);
  var rest = 0.0;
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) {
    let d = scale * (dy[i] - means.y - (x[i] - centre) * rstd * means.x);
    rest += d;
    dx[i] = d;
  }
  rest /= f32(uniforms.ROWS);
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) { dx[i] -= rest; }
  dgamma[column] = sums.x;
  dbeta[column] = sums.y;
}
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.x + group.y * groups.x) * WORKGROUP * IN_TURN + lane;
  let turn = 0u; {
    let i = first + turn * WORKGROUP;
    if (i < uniforms.SIZE) { gradient(i); }
  }
}
