const WORKGROUP: u32 = 64u;
const INTERVAL: f32 = 200.0;
const LARGEST: f32 = 16777216.0;
@group(0) @binding(0) var<storage, read> finite: array<f32>;
fn load_finite(i: u32) -> f32 { return finite[i]; }
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
fn load_scale(i: u32) -> f32 { return scale[i]; }
fn store_scale(i: u32, v: f32) { scale[i] = v; }
@group(0) @binding(2) var<storage, read_write> inverse: array<f32>;
fn load_inverse(i: u32) -> f32 { return inverse[i]; }
fn store_inverse(i: u32, v: f32) { inverse[i] = v; }
@group(0) @binding(3) var<storage, read_write> good: array<f32>;
fn load_good(i: u32) -> f32 { return good[i]; }
fn store_good(i: u32, v: f32) { good[i] = v; }
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
@compute @workgroup_size(1)
fn main() {
  var next = scale[0];
  var steps = good[0] + 1.0;
  if (finite[0] == 0.0) {
    next = select(max(1.0, next * 0.5), next, is_nan(next));
    steps = 0.0;
  } else if (steps >= INTERVAL) {
    next = select(min(LARGEST, next * 2.0), next, is_nan(next));
    steps = 0.0;
  }
  scale[0] = next;
  inverse[0] = 1.0 / next;
  good[0] = steps;
}
