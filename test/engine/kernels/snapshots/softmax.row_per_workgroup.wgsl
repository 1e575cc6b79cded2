const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const LOG: bool = false;
const GRADIENT: bool = true;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 2u;
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
@group(0) @binding(1) var<storage, read> dy: array<f32>;
fn load_dy(i: u32) -> f32 { return dy[i]; }
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
fn load_dx(i: u32) -> f32 { return dx[i]; }
fn store_dx(i: u32, v: f32) { dx[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
const LOWEST = -3.4028234e38f;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn exp_of(x: f32) -> f32 { return select(exp(x), x, is_nan(x)); }
fn exp_of_both(x: vec2f) -> vec2f { return vec2f(exp_of(x.x), exp_of(x.y)); }
fn exp_of_four(x: vec4f) -> vec4f {
  return select(exp(x), x, (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}
fn log_of(x: f32) -> f32 { return select(log(x), x, is_nan(x)); }
fn sum_under(largest: f32, sum: f32) -> f32 {
  let bits = bitcast<u32>(largest);
  return select(sum, bitcast<f32>(bits | 0x7fc00000u), (bits & 0x7f800000u) == 0x7f800000u);
}
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
  let start = row * uniforms.WIDTH;
  let end = start + uniforms.WIDTH;
  var sum = 0.0;
  var y0 = 0.0;
  var dy0 = 0.0;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) {
    y0 = y[start + lane + 0u * WORKGROUP];
    dy0 = dy[start + lane + 0u * WORKGROUP];
  }
  sum += select(y0 * dy0, dy0, LOG);
  var y1 = 0.0;
  var dy1 = 0.0;
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) {
    y1 = y[start + lane + 1u * WORKGROUP];
    dy1 = dy[start + lane + 1u * WORKGROUP];
  }
  sum += select(y1 * dy1, dy1, LOG);
  sum = workgroup_sum(sum, lane);
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { dx[start + lane + 0u * WORKGROUP] = gradient_of(y0, dy0, sum); }
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { dx[start + lane + 1u * WORKGROUP] = gradient_of(y1, dy1, sum); }
}
fn gradient_of(y: f32, dy: f32, sum: f32) -> f32 {
  if (LOG) { return dy - exp_of(y) * sum; }
  return y * (dy - sum);
}
