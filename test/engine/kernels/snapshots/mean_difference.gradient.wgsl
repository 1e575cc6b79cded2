const WORKGROUP: u32 = 64u;
const SQUARED: bool = false;
const GRADIENT: bool = true;
const WANT_A: bool = true;
const WANT_B: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn load_b(i: u32) -> f32 { return b[i]; }
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
fn load_upstream(i: u32) -> f32 { return upstream[i]; }
@group(0) @binding(3) var<storage, read_write> da: array<f32>;
fn load_da(i: u32) -> f32 { return da[i]; }
fn store_da(i: u32, v: f32) { da[i] = v; }
@group(0) @binding(4) var<storage, read_write> db: array<f32>;
fn load_db(i: u32) -> f32 { return db[i]; }
fn store_db(i: u32, v: f32) { db[i] = v; }
struct Uniforms { SCALE: f32, SIZE: u32 }
@group(0) @binding(5) var<uniform> uniforms: Uniforms;
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
fn gradient(i: u32) {
  let difference = a[i] - b[i];
  let difference_gradient = upstream[0] * uniforms.SCALE * select(sign(difference), 2.0 * difference, SQUARED || is_nan(difference));
  da[i] = difference_gradient;
  db[i] = -difference_gradient;
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
    if (i < uniforms.SIZE) { gradient(i); }
  }
}
