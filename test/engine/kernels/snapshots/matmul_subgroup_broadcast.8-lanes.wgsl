enable subgroups;
const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = true;
const BAND: u32 = 8u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = true;
const RESIDUAL: bool = false;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = false;
const STORE_PREACTIVATION: bool = false;
const LANES: u32 = 8u;
const TILE_M: u32 = 4u;
const ROW_GROUPS: u32 = 1u;
const ROWS_PER_GROUP: u32 = 4u;
const VECTORS: u32 = 1u;
const FOUR_K: bool = true;
const SHARED_EPILOGUE: bool = true;
const ROW_MAJOR_B: bool = false;
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
fn load_a(i: u32) -> vec4f { return a[i]; }
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
var<workgroup> shared_sums: array<vec4f, TILE_M * VECTORS * LANES>;
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = tile_of(group);
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let first = tile.z * (4u * VECTORS * LANES) + 4u * lane;
  let a_row0 = min(m0 + 0 * ROWS_PER_GROUP + lane, uniforms.M - 1u);
  let a_at0 = select((z * uniforms.M + a_row0) * uniforms.K, z * uniforms.K * uniforms.M + a_row0, A_TRANSPOSED);
  let n0 = first + 0u * 4u * LANES;
  let b_column0_0 = min(n0 + 0u, uniforms.N - 1u);
  let b_at0_0 = select(z * uniforms.K * uniforms.N + b_column0_0, (z * uniforms.N + b_column0_0) * uniforms.K, B_TRANSPOSED);
  let b_column0_1 = min(n0 + 1u, uniforms.N - 1u);
  let b_at0_1 = select(z * uniforms.K * uniforms.N + b_column0_1, (z * uniforms.N + b_column0_1) * uniforms.K, B_TRANSPOSED);
  let b_column0_2 = min(n0 + 2u, uniforms.N - 1u);
  let b_at0_2 = select(z * uniforms.K * uniforms.N + b_column0_2, (z * uniforms.N + b_column0_2) * uniforms.K, B_TRANSPOSED);
  let b_column0_3 = min(n0 + 3u, uniforms.N - 1u);
  let b_at0_3 = select(z * uniforms.K * uniforms.N + b_column0_3, (z * uniforms.N + b_column0_3) * uniforms.K, B_TRANSPOSED);
  var sum0_0_0 = vec4f(0.0);
  var sum0_1_0 = vec4f(0.0);
  var sum0_2_0 = vec4f(0.0);
  var sum0_3_0 = vec4f(0.0);
  for (var k = 0u; k < uniforms.K / 4u; k++) {
    let a0 = load_a(a_at0 / 4u + k);
    let b0_0 = load_b(b_at0_0 / 4u + k);
    let b0_1 = load_b(b_at0_1 / 4u + k);
    let b0_2 = load_b(b_at0_2 / 4u + k);
    let b0_3 = load_b(b_at0_3 / 4u + k);
    let a0_0_0 = vec4f(subgroupBroadcast(a0[0], 0u));
    let a1_0_0 = vec4f(subgroupBroadcast(a0[1], 0u));
    let a2_0_0 = vec4f(subgroupBroadcast(a0[2], 0u));
    let a3_0_0 = vec4f(subgroupBroadcast(a0[3], 0u));
    sum0_0_0 = fma(a0_0_0, vec4f(b0_0[0], b0_1[0], b0_2[0], b0_3[0]), sum0_0_0);
    sum0_0_0 = fma(a1_0_0, vec4f(b0_0[1], b0_1[1], b0_2[1], b0_3[1]), sum0_0_0);
    sum0_0_0 = fma(a2_0_0, vec4f(b0_0[2], b0_1[2], b0_2[2], b0_3[2]), sum0_0_0);
    sum0_0_0 = fma(a3_0_0, vec4f(b0_0[3], b0_1[3], b0_2[3], b0_3[3]), sum0_0_0);
    let a0_0_1 = vec4f(subgroupBroadcast(a0[0], 1u));
    let a1_0_1 = vec4f(subgroupBroadcast(a0[1], 1u));
    let a2_0_1 = vec4f(subgroupBroadcast(a0[2], 1u));
    let a3_0_1 = vec4f(subgroupBroadcast(a0[3], 1u));
    sum0_1_0 = fma(a0_0_1, vec4f(b0_0[0], b0_1[0], b0_2[0], b0_3[0]), sum0_1_0);
    sum0_1_0 = fma(a1_0_1, vec4f(b0_0[1], b0_1[1], b0_2[1], b0_3[1]), sum0_1_0);
    sum0_1_0 = fma(a2_0_1, vec4f(b0_0[2], b0_1[2], b0_2[2], b0_3[2]), sum0_1_0);
    sum0_1_0 = fma(a3_0_1, vec4f(b0_0[3], b0_1[3], b0_2[3], b0_3[3]), sum0_1_0);
    let a0_0_2 = vec4f(subgroupBroadcast(a0[0], 2u));
    let a1_0_2 = vec4f(subgroupBroadcast(a0[1], 2u));
    let a2_0_2 = vec4f(subgroupBroadcast(a0[2], 2u));
    let a3_0_2 = vec4f(subgroupBroadcast(a0[3], 2u));
    sum0_2_0 = fma(a0_0_2, vec4f(b0_0[0], b0_1[0], b0_2[0], b0_3[0]), sum0_2_0);
    sum0_2_0 = fma(a1_0_2, vec4f(b0_0[1], b0_1[1], b0_2[1], b0_3[1]), sum0_2_0);
    sum0_2_0 = fma(a2_0_2, vec4f(b0_0[2], b0_1[2], b0_2[2], b0_3[2]), sum0_2_0);
    sum0_2_0 = fma(a3_0_2, vec4f(b0_0[3], b0_1[3], b0_2[3], b0_3[3]), sum0_2_0);
    let a0_0_3 = vec4f(subgroupBroadcast(a0[0], 3u));
    let a1_0_3 = vec4f(subgroupBroadcast(a0[1], 3u));
    let a2_0_3 = vec4f(subgroupBroadcast(a0[2], 3u));
    let a3_0_3 = vec4f(subgroupBroadcast(a0[3], 3u));
    sum0_3_0 = fma(a0_0_3, vec4f(b0_0[0], b0_1[0], b0_2[0], b0_3[0]), sum0_3_0);
    sum0_3_0 = fma(a1_0_3, vec4f(b0_0[1], b0_1[1], b0_2[1], b0_3[1]), sum0_3_0);
    sum0_3_0 = fma(a2_0_3, vec4f(b0_0[2], b0_1[2], b0_2[2], b0_3[2]), sum0_3_0);
    sum0_3_0 = fma(a3_0_3, vec4f(b0_0[3], b0_1[3], b0_2[3], b0_3[3]), sum0_3_0);
  }
  shared_sums[((0u * ROWS_PER_GROUP + 0u) * VECTORS + 0u) * LANES + lane] = sum0_0_0;
  shared_sums[((0u * ROWS_PER_GROUP + 1u) * VECTORS + 0u) * LANES + lane] = sum0_1_0;
  shared_sums[((0u * ROWS_PER_GROUP + 2u) * VECTORS + 0u) * LANES + lane] = sum0_2_0;
  shared_sums[((0u * ROWS_PER_GROUP + 3u) * VECTORS + 0u) * LANES + lane] = sum0_3_0;
  for (var i = 0u; i < TILE_M * VECTORS; i++) {
    store(z, m0 + i / VECTORS, first + i % VECTORS * (4u * LANES), shared_sums[i * LANES + lane]);
  }
}
