const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const SQUARED: bool = false;
const GRADIENT: bool = false;
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn load_b(i: u32) -> f32 { return b[i]; }
@group(0) @binding(2) var<storage, read_write> terms: array<f32>;
fn load_terms(i: u32) -> f32 { return terms[i]; }
fn store_terms(i: u32, v: f32) { terms[i] = v; }
struct Uniforms { SIZE: u32, GROUPS: u32, SCALE: f32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
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
fn terms_of(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = group.x * WORKGROUP + lane; i < uniforms.SIZE; i += WORKGROUP * uniforms.GROUPS) {
    let difference = a[i] - b[i];
    sum += select(abs(difference), difference * difference, SQUARED);
  }
  sum = workgroup_sum(sum, lane);
  if (lane == 0u) { terms[group.x] = uniforms.SCALE * sum; }
}
