const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const SAVE: bool = true;
const VECTOR: bool = true;
const SUBGROUPS: bool = false;
const HOLDS: bool = true;
const HELD: u32 = 16u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
fn load_x(i: u32) -> vec4f { return x[i]; }
@group(0) @binding(1) var<storage, read> gamma: array<vec4f>;
fn load_gamma(i: u32) -> vec4f { return gamma[i]; }
@group(0) @binding(2) var<storage, read> beta: array<vec4f>;
fn load_beta(i: u32) -> vec4f { return beta[i]; }
@group(0) @binding(3) var<storage, read_write> y: array<vec2u>;
fn load_y(i: u32) -> vec4f { return vec4f(unpack2x16float(y[i].x), unpack2x16float(y[i].y)); }
fn store_y(i: u32, v: vec4f) { y[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
fn load_mean(i: u32) -> f32 { return mean[i]; }
fn store_mean(i: u32, v: f32) { mean[i] = v; }
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;
fn load_rstd(i: u32) -> f32 { return rstd[i]; }
fn store_rstd(i: u32, v: f32) { rstd[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32, STEPS: u32, EPSILON: f32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
fn pack_half(v: vec2f) -> u32 {
  let bits = bitcast<vec2u>(v);
  let size = bits & vec2u(0x7fffffffu);
  let normal = ((size + 0xfffu + ((size >> vec2u(13u)) & vec2u(1u))) >> vec2u(13u)) - 0x1c000u;
  let small = bitcast<vec2u>(bitcast<vec2f>(size) + 0.5) - 0x3f000000u;
  let largest = select(vec2u(0x7c00u), vec2u(0x7e00u), size > vec2u(0x7f800000u));
  let half = select(min(normal, largest), small, size < vec2u(0x38800000u));
  let signed = half | ((bits >> vec2u(16u)) & vec2u(0x8000u));
  return signed.x | (signed.y << 16u);
}
alias Columns = vec4f;
const LANES = 4u;
fn total(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }
fn first_of(v: vec4f) -> f32 { return v.x; }
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
  var x2 = Columns(first);
  if (lane + 2u * WORKGROUP < uniforms.STEPS) { x2 = load_x(base + lane + 2u * WORKGROUP); }
  sum += x2 - Columns(first);
  var x3 = Columns(first);
  if (lane + 3u * WORKGROUP < uniforms.STEPS) { x3 = load_x(base + lane + 3u * WORKGROUP); }
  sum += x3 - Columns(first);
  var x4 = Columns(first);
  if (lane + 4u * WORKGROUP < uniforms.STEPS) { x4 = load_x(base + lane + 4u * WORKGROUP); }
  sum += x4 - Columns(first);
  var x5 = Columns(first);
  if (lane + 5u * WORKGROUP < uniforms.STEPS) { x5 = load_x(base + lane + 5u * WORKGROUP); }
  sum += x5 - Columns(first);
  var x6 = Columns(first);
  if (lane + 6u * WORKGROUP < uniforms.STEPS) { x6 = load_x(base + lane + 6u * WORKGROUP); }
  sum += x6 - Columns(first);
  var x7 = Columns(first);
  if (lane + 7u * WORKGROUP < uniforms.STEPS) { x7 = load_x(base + lane + 7u * WORKGROUP); }
  sum += x7 - Columns(first);
  var x8 = Columns(first);
  if (lane + 8u * WORKGROUP < uniforms.STEPS) { x8 = load_x(base + lane + 8u * WORKGROUP); }
  sum += x8 - Columns(first);
  var x9 = Columns(first);
  if (lane + 9u * WORKGROUP < uniforms.STEPS) { x9 = load_x(base + lane + 9u * WORKGROUP); }
  sum += x9 - Columns(first);
  var x10 = Columns(first);
  if (lane + 10u * WORKGROUP < uniforms.STEPS) { x10 = load_x(base + lane + 10u * WORKGROUP); }
  sum += x10 - Columns(first);
  var x11 = Columns(first);
  if (lane + 11u * WORKGROUP < uniforms.STEPS) { x11 = load_x(base + lane + 11u * WORKGROUP); }
  sum += x11 - Columns(first);
  var x12 = Columns(first);
  if (lane + 12u * WORKGROUP < uniforms.STEPS) { x12 = load_x(base + lane + 12u * WORKGROUP); }
  sum += x12 - Columns(first);
  var x13 = Columns(first);
  if (lane + 13u * WORKGROUP < uniforms.STEPS) { x13 = load_x(base + lane + 13u * WORKGROUP); }
  sum += x13 - Columns(first);
  var x14 = Columns(first);
  if (lane + 14u * WORKGROUP < uniforms.STEPS) { x14 = load_x(base + lane + 14u * WORKGROUP); }
  sum += x14 - Columns(first);
  var x15 = Columns(first);
  if (lane + 15u * WORKGROUP < uniforms.STEPS) { x15 = load_x(base + lane + 15u * WORKGROUP); }
  sum += x15 - Columns(first);
  let centre = first + workgroup_sum(total(sum), lane) / f32(uniforms.WIDTH);
  if (lane + 0u * WORKGROUP < uniforms.STEPS) {
    let d = x0 - Columns(centre);
    squares += d * d;
  }
  if (lane + 1u * WORKGROUP < uniforms.STEPS) {
    let d = x1 - Columns(centre);
    squares += d * d;
  }
  if (lane + 2u * WORKGROUP < uniforms.STEPS) {
    let d = x2 - Columns(centre);
    squares += d * d;
  }
  if (lane + 3u * WORKGROUP < uniforms.STEPS) {
    let d = x3 - Columns(centre);
    squares += d * d;
  }
  if (lane + 4u * WORKGROUP < uniforms.STEPS) {
    let d = x4 - Columns(centre);
    squares += d * d;
  }
  if (lane + 5u * WORKGROUP < uniforms.STEPS) {
    let d = x5 - Columns(centre);
    squares += d * d;
  }
  if (lane + 6u * WORKGROUP < uniforms.STEPS) {
    let d = x6 - Columns(centre);
    squares += d * d;
  }
  if (lane + 7u * WORKGROUP < uniforms.STEPS) {
    let d = x7 - Columns(centre);
    squares += d * d;
  }
  if (lane + 8u * WORKGROUP < uniforms.STEPS) {
    let d = x8 - Columns(centre);
    squares += d * d;
  }
  if (lane + 9u * WORKGROUP < uniforms.STEPS) {
    let d = x9 - Columns(centre);
    squares += d * d;
  }
  if (lane + 10u * WORKGROUP < uniforms.STEPS) {
    let d = x10 - Columns(centre);
    squares += d * d;
  }
  if (lane + 11u * WORKGROUP < uniforms.STEPS) {
    let d = x11 - Columns(centre);
    squares += d * d;
  }
  if (lane + 12u * WORKGROUP < uniforms.STEPS) {
    let d = x12 - Columns(centre);
    squares += d * d;
  }
  if (lane + 13u * WORKGROUP < uniforms.STEPS) {
    let d = x13 - Columns(centre);
    squares += d * d;
  }
  if (lane + 14u * WORKGROUP < uniforms.STEPS) {
    let d = x14 - Columns(centre);
    squares += d * d;
  }
  if (lane + 15u * WORKGROUP < uniforms.STEPS) {
    let d = x15 - Columns(centre);
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
  if (lane + 2u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 2u * WORKGROUP;
    store_y(base + i, (x2 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 3u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 3u * WORKGROUP;
    store_y(base + i, (x3 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 4u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 4u * WORKGROUP;
    store_y(base + i, (x4 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 5u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 5u * WORKGROUP;
    store_y(base + i, (x5 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 6u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 6u * WORKGROUP;
    store_y(base + i, (x6 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 7u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 7u * WORKGROUP;
    store_y(base + i, (x7 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 8u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 8u * WORKGROUP;
    store_y(base + i, (x8 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 9u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 9u * WORKGROUP;
    store_y(base + i, (x9 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 10u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 10u * WORKGROUP;
    store_y(base + i, (x10 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 11u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 11u * WORKGROUP;
    store_y(base + i, (x11 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 12u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 12u * WORKGROUP;
    store_y(base + i, (x12 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 13u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 13u * WORKGROUP;
    store_y(base + i, (x13 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 14u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 14u * WORKGROUP;
    store_y(base + i, (x14 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane + 15u * WORKGROUP < uniforms.STEPS) {
    let i = lane + 15u * WORKGROUP;
    store_y(base + i, (x15 - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  if (lane == 0u) {
    mean[row] = centre;
    rstd[row] = scale;
  }
}
