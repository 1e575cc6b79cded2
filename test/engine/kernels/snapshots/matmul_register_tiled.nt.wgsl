const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = true;
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
const DOT_PRODUCTS: bool = true;
const ROW_MAJOR_B: bool = false;
const SCALAR: bool = false;
@group(0) @binding(0) var<storage, read> a: array<vec2u>;
fn load_a(i: u32) -> vec4f { return vec4f(unpack2x16float(a[i].x), unpack2x16float(a[i].y)); }
@group(0) @binding(1) var<storage, read> b: array<vec2u>;
fn load_b(i: u32) -> vec4f { return vec4f(unpack2x16float(b[i].x), unpack2x16float(b[i].y)); }
@group(0) @binding(2) var<storage, read_write> c: array<vec2u>;
fn load_c(i: u32) -> vec4f { return vec4f(unpack2x16float(c[i].x), unpack2x16float(c[i].y)); }
fn store_c(i: u32, v: vec4f) { c[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
struct Uniforms { BATCH: u32, M: u32, N: u32, K: u32, TILES_M: u32, TILES_N: u32, GRID_X: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
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
  let a_row0 = (z * uniforms.M + min(m0 + 0u, uniforms.M - 1u)) * (uniforms.K / 4u);
  let a_row1 = (z * uniforms.M + min(m0 + 1u, uniforms.M - 1u)) * (uniforms.K / 4u);
  let b_row0_0 = (z * uniforms.N + min(n0 + 4u * 0u + 0u, uniforms.N - 1u)) * (uniforms.K / 4u);
  let b_row0_1 = (z * uniforms.N + min(n0 + 4u * 0u + 1u, uniforms.N - 1u)) * (uniforms.K / 4u);
  let b_row0_2 = (z * uniforms.N + min(n0 + 4u * 0u + 2u, uniforms.N - 1u)) * (uniforms.K / 4u);
  let b_row0_3 = (z * uniforms.N + min(n0 + 4u * 0u + 3u, uniforms.N - 1u)) * (uniforms.K / 4u);
  var sum0_0_0 = 0.0;
  var sum0_0_1 = 0.0;
  var sum0_0_2 = 0.0;
  var sum0_0_3 = 0.0;
  var sum1_0_0 = 0.0;
  var sum1_0_1 = 0.0;
  var sum1_0_2 = 0.0;
  var sum1_0_3 = 0.0;
  for (var k = 0u; k < uniforms.K / 4u; k++) {
    let b0_0 = load_b(b_row0_0 + k);
    let b0_1 = load_b(b_row0_1 + k);
    let b0_2 = load_b(b_row0_2 + k);
    let b0_3 = load_b(b_row0_3 + k);
    let a0 = load_a(a_row0 + k);
    sum0_0_0 += dot(a0, b0_0);
    sum0_0_1 += dot(a0, b0_1);
    sum0_0_2 += dot(a0, b0_2);
    sum0_0_3 += dot(a0, b0_3);
    let a1 = load_a(a_row1 + k);
    sum1_0_0 += dot(a1, b0_0);
    sum1_0_1 += dot(a1, b0_1);
    sum1_0_2 += dot(a1, b0_2);
    sum1_0_3 += dot(a1, b0_3);
  }
  store(z, m0 + 0u, n0 + 4u * 0u, vec4f(sum0_0_0, sum0_0_1, sum0_0_2, sum0_0_3));
  store(z, m0 + 1u, n0 + 4u * 0u, vec4f(sum1_0_0, sum1_0_1, sum1_0_2, sum1_0_3));
}
