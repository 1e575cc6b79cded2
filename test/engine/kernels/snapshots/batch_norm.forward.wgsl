const WORKGROUP: u32 = 64u;
const FORWARD: bool = true;
const SAVE: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
fn load_gamma(i: u32) -> f32 { return gamma[i]; }
@group(0) @binding(2) var<storage, read> beta: array<f32>;
fn load_beta(i: u32) -> f32 { return beta[i]; }
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
fn load_mean(i: u32) -> f32 { return mean[i]; }
fn store_mean(i: u32, v: f32) { mean[i] = v; }
@group(0) @binding(5) var<storage, read_write> variance: array<f32>;
fn load_variance(i: u32) -> f32 { return variance[i]; }
fn store_variance(i: u32, v: f32) { variance[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, EPSILON: f32, SIZE: u32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
fn forward(column: u32) {
  let first = x[column];
  var sum = 0.0;
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) { sum += x[i] - first; }
  let centre = first + sum / f32(uniforms.ROWS);
  var squares = 0.0;
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) {
    let d = x[i] - centre;
    squares += d * d;
  }
  let spread = squares / f32(uniforms.ROWS);
  let scale = gamma[column] / sqrt(spread + uniforms.EPSILON);
  for (var i = column; i < uniforms.ROWS * uniforms.WIDTH; i += uniforms.WIDTH) { y[i] = (x[i] - centre) * scale + beta[column]; }
  mean[column] = centre;
  variance[column] = spread;
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
    if (i < uniforms.SIZE) { forward(i); }
  }
}
