const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const TEACHER: bool = false;
const STUDENT: bool = true;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 16u;
@group(0) @binding(0) var<storage, read> teacher: array<f32>;
fn load_teacher(i: u32) -> f32 { return teacher[i]; }
@group(0) @binding(1) var<storage, read> student: array<f32>;
fn load_student(i: u32) -> f32 { return student[i]; }
@group(0) @binding(2) var<storage, read_write> terms: array<f32>;
fn load_terms(i: u32) -> f32 { return terms[i]; }
fn store_terms(i: u32, v: f32) { terms[i] = v; }
@group(0) @binding(3) var<storage, read_write> dstudent: array<f32>;
fn load_dstudent(i: u32) -> f32 { return dstudent[i]; }
fn store_dstudent(i: u32, v: f32) { dstudent[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, TEMPERATURE: f32, SCALE: f32 }
@group(0) @binding(4) var<uniform> uniforms: Uniforms;
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
  var l1 = largest;
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { l1 = pair(base + lane + 1u * WORKGROUP); }
  var l2 = largest;
  if (lane + 2u * WORKGROUP < uniforms.WIDTH) { l2 = pair(base + lane + 2u * WORKGROUP); }
  var l3 = largest;
  if (lane + 3u * WORKGROUP < uniforms.WIDTH) { l3 = pair(base + lane + 3u * WORKGROUP); }
  var l4 = largest;
  if (lane + 4u * WORKGROUP < uniforms.WIDTH) { l4 = pair(base + lane + 4u * WORKGROUP); }
  var l5 = largest;
  if (lane + 5u * WORKGROUP < uniforms.WIDTH) { l5 = pair(base + lane + 5u * WORKGROUP); }
  var l6 = largest;
  if (lane + 6u * WORKGROUP < uniforms.WIDTH) { l6 = pair(base + lane + 6u * WORKGROUP); }
  var l7 = largest;
  if (lane + 7u * WORKGROUP < uniforms.WIDTH) { l7 = pair(base + lane + 7u * WORKGROUP); }
  var l8 = largest;
  if (lane + 8u * WORKGROUP < uniforms.WIDTH) { l8 = pair(base + lane + 8u * WORKGROUP); }
  var l9 = largest;
  if (lane + 9u * WORKGROUP < uniforms.WIDTH) { l9 = pair(base + lane + 9u * WORKGROUP); }
  var l10 = largest;
  if (lane + 10u * WORKGROUP < uniforms.WIDTH) { l10 = pair(base + lane + 10u * WORKGROUP); }
  var l11 = largest;
  if (lane + 11u * WORKGROUP < uniforms.WIDTH) { l11 = pair(base + lane + 11u * WORKGROUP); }
  var l12 = largest;
  if (lane + 12u * WORKGROUP < uniforms.WIDTH) { l12 = pair(base + lane + 12u * WORKGROUP); }
  var l13 = largest;
  if (lane + 13u * WORKGROUP < uniforms.WIDTH) { l13 = pair(base + lane + 13u * WORKGROUP); }
  var l14 = largest;
  if (lane + 14u * WORKGROUP < uniforms.WIDTH) { l14 = pair(base + lane + 14u * WORKGROUP); }
  var l15 = largest;
  if (lane + 15u * WORKGROUP < uniforms.WIDTH) { l15 = pair(base + lane + 15u * WORKGROUP); }
  largest = max(largest, l0);
  largest = max(largest, l1);
  largest = max(largest, l2);
  largest = max(largest, l3);
  largest = max(largest, l4);
  largest = max(largest, l5);
  largest = max(largest, l6);
  largest = max(largest, l7);
  largest = max(largest, l8);
  largest = max(largest, l9);
  largest = max(largest, l10);
  largest = max(largest, l11);
  largest = max(largest, l12);
  largest = max(largest, l13);
  largest = max(largest, l14);
  largest = max(largest, l15);
  largest = workgroup_max2(largest, lane);
  l0 = (l0 - largest) / uniforms.TEMPERATURE;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l0); }
  l1 = (l1 - largest) / uniforms.TEMPERATURE;
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l1); }
  l2 = (l2 - largest) / uniforms.TEMPERATURE;
  if (lane + 2u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l2); }
  l3 = (l3 - largest) / uniforms.TEMPERATURE;
  if (lane + 3u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l3); }
  l4 = (l4 - largest) / uniforms.TEMPERATURE;
  if (lane + 4u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l4); }
  l5 = (l5 - largest) / uniforms.TEMPERATURE;
  if (lane + 5u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l5); }
  l6 = (l6 - largest) / uniforms.TEMPERATURE;
  if (lane + 6u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l6); }
  l7 = (l7 - largest) / uniforms.TEMPERATURE;
  if (lane + 7u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l7); }
  l8 = (l8 - largest) / uniforms.TEMPERATURE;
  if (lane + 8u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l8); }
  l9 = (l9 - largest) / uniforms.TEMPERATURE;
  if (lane + 9u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l9); }
  l10 = (l10 - largest) / uniforms.TEMPERATURE;
  if (lane + 10u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l10); }
  l11 = (l11 - largest) / uniforms.TEMPERATURE;
  if (lane + 11u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l11); }
  l12 = (l12 - largest) / uniforms.TEMPERATURE;
  if (lane + 12u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l12); }
  l13 = (l13 - largest) / uniforms.TEMPERATURE;
  if (lane + 13u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l13); }
  l14 = (l14 - largest) / uniforms.TEMPERATURE;
  if (lane + 14u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l14); }
  l15 = (l15 - largest) / uniforms.TEMPERATURE;
  if (lane + 15u * WORKGROUP < uniforms.WIDTH) { sums += exp_of_both(l15); }
  let totals = workgroup_sum2(sums, lane);
  let logs = vec2f(log_of(totals.x), log_of(totals.y));
  l0 -= logs;
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { kl += term(l0); }
  l1 -= logs;
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { kl += term(l1); }
  l2 -= logs;
  if (lane + 2u * WORKGROUP < uniforms.WIDTH) { kl += term(l2); }
  l3 -= logs;
  if (lane + 3u * WORKGROUP < uniforms.WIDTH) { kl += term(l3); }
  l4 -= logs;
  if (lane + 4u * WORKGROUP < uniforms.WIDTH) { kl += term(l4); }
  l5 -= logs;
  if (lane + 5u * WORKGROUP < uniforms.WIDTH) { kl += term(l5); }
  l6 -= logs;
  if (lane + 6u * WORKGROUP < uniforms.WIDTH) { kl += term(l6); }
  l7 -= logs;
  if (lane + 7u * WORKGROUP < uniforms.WIDTH) { kl += term(l7); }
  l8 -= logs;
  if (lane + 8u * WORKGROUP < uniforms.WIDTH) { kl += term(l8); }
  l9 -= logs;
  if (lane + 9u * WORKGROUP < uniforms.WIDTH) { kl += term(l9); }
  l10 -= logs;
  if (lane + 10u * WORKGROUP < uniforms.WIDTH) { kl += term(l10); }
  l11 -= logs;
  if (lane + 11u * WORKGROUP < uniforms.WIDTH) { kl += term(l11); }
  l12 -= logs;
  if (lane + 12u * WORKGROUP < uniforms.WIDTH) { kl += term(l12); }
  l13 -= logs;
  if (lane + 13u * WORKGROUP < uniforms.WIDTH) { kl += term(l13); }
  l14 -= logs;
  if (lane + 14u * WORKGROUP < uniforms.WIDTH) { kl += term(l14); }
  l15 -= logs;
  if (lane + 15u * WORKGROUP < uniforms.WIDTH) { kl += term(l15); }
  kl = workgroup_sum(kl, lane);
  if (lane + 0u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 0u * WORKGROUP, l0, kl); }
  if (lane + 1u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 1u * WORKGROUP, l1, kl); }
  if (lane + 2u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 2u * WORKGROUP, l2, kl); }
  if (lane + 3u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 3u * WORKGROUP, l3, kl); }
  if (lane + 4u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 4u * WORKGROUP, l4, kl); }
  if (lane + 5u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 5u * WORKGROUP, l5, kl); }
  if (lane + 6u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 6u * WORKGROUP, l6, kl); }
  if (lane + 7u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 7u * WORKGROUP, l7, kl); }
  if (lane + 8u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 8u * WORKGROUP, l8, kl); }
  if (lane + 9u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 9u * WORKGROUP, l9, kl); }
  if (lane + 10u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 10u * WORKGROUP, l10, kl); }
  if (lane + 11u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 11u * WORKGROUP, l11, kl); }
  if (lane + 12u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 12u * WORKGROUP, l12, kl); }
  if (lane + 13u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 13u * WORKGROUP, l13, kl); }
  if (lane + 14u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 14u * WORKGROUP, l14, kl); }
  if (lane + 15u * WORKGROUP < uniforms.WIDTH) { store_gradients(base + lane + 15u * WORKGROUP, l15, kl); }
  if (lane == 0u) { terms[row] = uniforms.SCALE * kl; }
}
fn term(l: vec2f) -> f32 {
  let p = exp_of(l.x);
  return select(0.0, p * (l.x - l.y), (p > 0.0) | is_nan(p));
}
fn store_gradients(i: u32, l: vec2f, kl: f32) {
  let p = exp_of(l.x);
  dstudent[i] = uniforms.SCALE / uniforms.TEMPERATURE * (exp_of(l.y) - p);
}
