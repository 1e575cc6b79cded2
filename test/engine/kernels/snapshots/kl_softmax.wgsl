const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const TEACHER: bool = true;
const STUDENT: bool = true;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 1u;
@group(0) @binding(0) var<storage, read> teacher: array<f32>;
fn load_teacher(i: u32) -> f32 { return teacher[i]; }
@group(0) @binding(1) var<storage, read> student: array<f32>;
fn load_student(i: u32) -> f32 { return student[i]; }
@group(0) @binding(2) var<storage, read_write> terms: array<f32>;
fn load_terms(i: u32) -> f32 { return terms[i]; }
fn store_terms(i: u32, v: f32) { terms[i] = v; }
@group(0) @binding(3) var<storage, read_write> dteacher: array<f32>;
fn load_dteacher(i: u32) -> f32 { return dteacher[i]; }
fn store_dteacher(i: u32, v: f32) { dteacher[i] = v; }
@group(0) @binding(4) var<storage, read_write> dstudent: array<f32>;
fn load_dstudent(i: u32) -> f32 { return dstudent[i]; }
fn store_dstudent(i: u32, v: f32) { dstudent[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, TEMPERATURE: f32, SCALE: f32 }
@group(0) @binding(5) var<uniform> uniforms: Uniforms;
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
fn pair(i: u32) -> vec2f { return vec2f(teacher[i], student[i]); }
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= uniforms.ROWS) { return; }
  let base = row * uniforms.WIDTH;
  var largest = pair(base);
  var sums = vec2f(0.0);
  var kl = 0.0;
  var l0 = largest;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { l0 = pair(base + lane + 0u * WORKGROUP); }
  largest = max(largest, l0);
  largest = workgroup_max2(largest, lane);
  l0 = (l0 - largest) / uniforms.TEMPERATURE;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l0); }
  let totals = workgroup_sum2(sums, lane);
  let logs = vec2f(log_of(totals.x), log_of(totals.y));
  l0 -= logs;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { kl += term(l0); }
  kl = workgroup_sum(kl, lane);
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 0u * WORKGROUP, l0, kl); }
  if (lane == 0u) { terms[row] = uniforms.SCALE * kl; }
}
fn term(l: vec2f) -> f32 {
  let p = exp_of(l.x);
  return select(0.0, p * (l.x - l.y), (p > 0.0) | is_nan(p));
}
fn store_gradients(i: u32, l: vec2f, kl: f32) {
  let p = exp_of(l.x);
  dstudent[i] = uniforms.SCALE / uniforms.TEMPERATURE * (exp_of(l.y) - p);
  dteacher[i] = uniforms.SCALE / uniforms.TEMPERATURE * select(0.0, p * (l.x - l.y - kl), (p > 0.0) | is_nan(p));
}
