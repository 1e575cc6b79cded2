const WORKGROUP: u32 = 16u;
const GROUP: u32 = 1u;
const ROW_PER_THREAD: bool = true;
const SAVE: bool = true;
const VECTOR: bool = true;
const ROWS: u32 = 3u;
const WIDTH: u32 = 1020u;
const STEPS: u32 = 255u;
const EPSILON: f32 = 0.000009999999747378752;
const IN_TURN: u32 = 1u;
const SIZE: u32 = 3u;
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
fn row_per_thread(row: u32) {
  let base = row * STEPS;
  let first = Columns(first_of(load_x(base)));
  var means = Columns(0.0);
  var squares = Columns(0.0);
  for (var i = 0u; i < STEPS; i++) {
    let value = load_x(base + i) - first;
    let difference = value - means;
    means += difference / f32(i + 1u);
    squares += difference * (value - means);
  }
  let shift = total(means) / f32(LANES);
  let apart = means - Columns(shift);
  let variance = (total(squares) + f32(STEPS) * total(apart * apart)) / f32(WIDTH);
  let centre = first_of(first) + shift;
  let scale = 1.0 / sqrt(variance + EPSILON);
  for (var i = 0u; i < STEPS; i++) {
    store_y(base + i, (load_x(base + i) - Columns(centre)) * scale * load_gamma(i) + load_beta(i));
  }
  mean[row] = centre;
  rstd[row] = scale;
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
    if (i < SIZE) { row_per_thread(i); }
  }
}
