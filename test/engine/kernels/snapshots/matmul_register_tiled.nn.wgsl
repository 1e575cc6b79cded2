const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = false;
const BAND: u32 = 1u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = true;
const RESIDUAL: bool = false;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = false;
const STORE_PREACTIVATION: bool = false;
const TILE_M: u32 = 2u;
const TILE_N: u32 = 4u;
const VECTORS_N: u32 = 1u;
const DOT_PRODUCTS: bool = false;
const ROW_MAJOR_B: bool = true;
const SCALAR: bool = false;
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
fn load_b(i: u32) -> vec4f { return b[i]; }
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
fn load_c(i: u32) -> vec4f { return c[i]; }
fn store_c(i: u32, v: vec4f) { c[i] = v; }
struct Uniforms { BATCH: u32, M: u32, N: u32, K: u32, TILES_M: u32, TILES_N: u32, GRID_X: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn tile_of(group: vec3u) -> vec3u {
  let number = group.x + group.y * uniforms.GRID_X;
  let z = number / (uniforms.TILES_M * uniforms.TILES_N);
  let within = number % (uniforms.TILES_M * uniforms.TILES_N);
  let first = within / (BAND * uniforms.TILES_N) * BAND;
  let height = min(BAND, uniforms.TILES_M - first);
  let inside = within % (BAND * uniforms.TILES_N);
  return vec3u(z, first + inside % height, inside / height);
}
fn activate(x: f32) -> f32 { return identity(x); }
fn derivative(x: f32) -> f32 { return identity_derivative(x); }
fn store(z: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= uniforms.M || n >= uniforms.N) { return; }
  let at = ((z * uniforms.M + m) * uniforms.N + n) / 4u;
  var value = sums;
  value = vec4f(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
  store_c(at, value);
}
fn a_index(z: u32, m: u32, k: u32) -> u32 {
  if (A_TRANSPOSED) { return (z * uniforms.K + k) * uniforms.M + m; }
  return (z * uniforms.M + m) * uniforms.K + k;
}
fn b_index(z: u32, n: u32, k: u32) -> u32 {
  if (B_TRANSPOSED) { return (z * uniforms.N + n) * uniforms.K + k; }
  return (z * uniforms.K + k) * uniforms.N + n;
}
@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let tile = tile_of(group);
  let z = tile.x;
  let m0 = (tile.y * 8u + local.y) * TILE_M;
  let n0 = (tile.z * 8u + local.x) * TILE_N;
  if (z >= uniforms.BATCH || m0 >= uniforms.M || n0 >= uniforms.N) { return; }
  let b_column0 = z * uniforms.K * (uniforms.N / 4u) + min(n0 / 4u + 0u, uniforms.N / 4u - 1u);
  var sum0_0 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  for (var k = 0u; k < uniforms.K; k++) {
    let b0 = load_b(b_column0 + k * (uniforms.N / 4u));
    let a0 = vec4f(load_a(a_index(z, min(m0 + 0u, uniforms.M - 1u), k)));
    sum0_0 = fma(a0, b0, sum0_0);
    let a1 = vec4f(load_a(a_index(z, min(m0 + 1u, uniforms.M - 1u), k)));
    sum1_0 = fma(a1, b0, sum1_0);
  }
  store(z, m0 + 0u, n0 + 4u * 0u, sum0_0);
  store(z, m0 + 1u, n0 + 4u * 0u, sum1_0);
}
