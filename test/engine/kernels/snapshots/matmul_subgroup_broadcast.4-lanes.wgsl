enable subgroups;
const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = false;
const BAND: u32 = 8u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = true;
const RESIDUAL: bool = false;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = false;
const STORE_PREACTIVATION: bool = false;
const LANES: u32 = 4u;
const TILE_M: u32 = 4u;
const ROW_GROUPS: u32 = 1u;
const ROWS_PER_GROUP: u32 = 4u;
const VECTORS: u32 = 1u;
const FOUR_K: bool = false;
const SHARED_EPILOGUE: bool = false;
const ROW_MAJOR_B: bool = true;
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
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = tile_of(group);
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let first = tile.z * (4u * VECTORS * LANES) + 4u * lane;
  let a_row0 = min(m0 + 0 * ROWS_PER_GROUP + lane, uniforms.M - 1u);
  let a_at0 = select((z * uniforms.M + a_row0) * uniforms.K, z * uniforms.K * uniforms.M + a_row0, A_TRANSPOSED);
  let n0 = first + 0u * 4u * LANES;
  let b_at0 = z * uniforms.K * (uniforms.N / 4u) + min(n0 / 4u, uniforms.N / 4u - 1u);
  var sum0_0_0 = vec4f(0.0);
  var sum0_1_0 = vec4f(0.0);
  var sum0_2_0 = vec4f(0.0);
  var sum0_3_0 = vec4f(0.0);
  for (var k = 0u; k < uniforms.K; k++) {
    let a0 = load_a(a_at0 + k * select(1u, uniforms.M, A_TRANSPOSED));
    let b0 = load_b(b_at0 + k * (uniforms.N / 4u));
    let a0_0 = vec4f(subgroupBroadcast(a0, 0u));
    sum0_0_0 = fma(a0_0, b0, sum0_0_0);
    let a0_1 = vec4f(subgroupBroadcast(a0, 1u));
    sum0_1_0 = fma(a0_1, b0, sum0_1_0);
    let a0_2 = vec4f(subgroupBroadcast(a0, 2u));
    sum0_2_0 = fma(a0_2, b0, sum0_2_0);
    let a0_3 = vec4f(subgroupBroadcast(a0, 3u));
    sum0_3_0 = fma(a0_3, b0, sum0_3_0);
  }
  store(z, m0 + 0 * ROWS_PER_GROUP + 0u, n0, sum0_0_0);
  store(z, m0 + 0 * ROWS_PER_GROUP + 1u, n0, sum0_1_0);
  store(z, m0 + 0 * ROWS_PER_GROUP + 2u, n0, sum0_2_0);
  store(z, m0 + 0 * ROWS_PER_GROUP + 3u, n0, sum0_3_0);
}
