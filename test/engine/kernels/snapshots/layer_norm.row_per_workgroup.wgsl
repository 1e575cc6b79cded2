const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const SAVE: bool = true;
const VECTOR: bool = false;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 2u;
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
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;
fn load_rstd(i: u32) -> f32 { return rstd[i]; }
fn store_rstd(i: u32, v: f32) { rstd[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, STEPS: u32, EPSILON: f32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
alias Columns = f32;
const LANES = 1u;
fn total(v: f32) -> f32 { return v; }
fn first_of(v: f32) -> f32 { return v; }
var<workgroup> lane_values: array<vec2f, WORKGROUP>;
var<workgroup> side_values: array<vec2f, SIDE>;
fn workgroup_sum2(value: vec2f, lane: u32) -> vec2f {
  lane_values[lane] = value;
  workgroupBarrier();
  if (lane < SIDE) {
    var sum = lane_values[lane];
    for (var i = 1u; i < SIDE; i++) { sum += lane_values[lane + i * SIDE]; }
    side_values[lane] = sum;
  }
  workgroupBarrier();
  var total = side_values[0];
  for (var i = 1u; i < SIDE; i++) { total += side_values[i]; }
  return total;
}
fn workgroup_max2(value: vec2f, lane: u32) -> vec2f {
  lane_values[lane] = value;
  workgroupBarrier();
  if (lane < SIDE) {
    var largest = lane_values[lane];
    for (var i = 1u; i < SIDE; i++) { largest = max(largest, lane_values[lane + i * SIDE]); }
    side_values[lane] = largest;
  }
  workgroupBarrier();
  var result = side_values[0];
  for (var i = 1u; i < SIDE; i++) { result = max(result, side_values[i]); }
  return result;
}
fn workgroup_sum(value: f32, lane: u32) -> f32 {
  return workgroup_sum2(vec2f(value, 0.0), lane).x;
}
fn workgroup_max(value: f32, lane: u32) -> f32 {
  return workgroup_max2(vec2f(value, value), lane).x;
}
@compute @workgroup_size(WORKGROUP)
fn row_per_workgroup(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= uniforms.ROWS) { return; }
  let base = row * uniforms.STEPS;
  let first = first_of(load_x(base));
  var sum = Columns(0.0);
  var squares = Columns(0.0);
  var x0 = Columns(first);
  if (lane + 0u * WORKGROUP < uniforms.STEPS) { x0 = load_x(base + lane + 0u * WORKGROUP); }
  sum += x0 - Columns(first);
  var x1 = Columns(first);
  if (lane + 1u * WORKGROUP < uniforms.STEPS) { x1 = load_x(base + lane + 1u * WORKGROUP); }
  sum += x1 - Columns(first);
  let centre = first + workgroup_sum(total(sum), lane) / f32(uniforms.WIDTH);
  if (lane + 0u * WORKGROUP < uniforms.STEPS) {
    let d = x0 - Columns(centre);
    squares += d * d;
  }
  if (lane + 1u * WORKGROUP < uniforms.STEPS) {
    let d = x1 - Columns(centre);
    squares += d * d;
  }
  let scale = 1.0 / sqrt(workgroup_sum(total(squares), lane) / f32(uniforms.WIDTH) + uniforms.EPSILON);
  if (lane + 0u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 0u * WORKGROUP;
    store_y(base + i, (x0 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 1u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 1u * WORKGROUP;
    store_y(base + i, (x1 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane == 0u) {
    mean[row] = centre;
    rstd[row] = scale;
  }
}
