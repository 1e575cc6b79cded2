const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const LOG: bool = false;
const GRADIENT: bool = false;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 2u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
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
  var largest = LOWEST;
  var sum = 0.0;
  var x0 = LOWEST;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { x0 = x[start + lane + 0u * WORKGROUP]; }
  largest = max(largest, x0);
  var x1 = LOWEST;
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { x1 = x[start + lane + 1u * WORKGROUP]; }
  largest = max(largest, x1);
  largest = workgroup_max(largest, lane);
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { sum += exp_of(x0 - largest); }
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { sum += exp_of(x1 - largest); }
  sum = workgroup_sum(sum, lane);
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { y[start + lane + 0u * WORKGROUP] = value(x0, largest, sum); }
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { y[start + lane + 1u * WORKGROUP] = value(x1, largest, sum); }
}
fn value(x: f32, largest: f32, sum: f32) -> f32 {
  if (LOG) { return x - largest - log_of(sum); }
  return exp(x - largest) / sum;
}
