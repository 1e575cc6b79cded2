const WORKGROUP: u32 = 64u;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> total: array<f32>;
fn load_total(i: u32) -> f32 { return total[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { LARGEST: f32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
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
fn factor(only: u32) {
  let ratio = uniforms.LARGEST / (sqrt(total[0]) + 1e-6);
  y[0] = select(min(1.0, ratio), ratio, is_nan(ratio));
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
    if (i < uniforms.SIZE) { factor(i); }
  }
}
