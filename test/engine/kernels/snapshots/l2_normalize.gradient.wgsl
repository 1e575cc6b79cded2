const WORKGROUP: u32 = 64u;
const SIDE: u32 = 8u;
const GRADIENT: bool = true;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> dy: array<f32>;
fn load_dy(i: u32) -> f32 { return dy[i]; }
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
fn load_dx(i: u32) -> f32 { return dx[i]; }
fn store_dx(i: u32, v: f32) { dx[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32 }
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
fn gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= uniforms.ROWS) { return; }
  let base = row * uniforms.WIDTH;
  var sums = vec2f(0.0);
  for (var i = base + lane; i < base + uniforms.WIDTH; i += WORKGROUP) { sums += x[i] * vec2f(x[i], dy[i]); }
  sums = workgroup_sum2(sums, lane);
  let share = sums.y / sums.x;
  let scale = 1.0 / sqrt(sums.x);
  for (var i = base + lane; i < base + uniforms.WIDTH; i += WORKGROUP) { dx[i] = (dy[i] - x[i] * share) * scale; }
}
