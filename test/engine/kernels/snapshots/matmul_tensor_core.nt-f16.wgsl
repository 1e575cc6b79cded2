enable subgroups;
enable chromium_experimental_subgroup_matrix;
enable f16;
enable subgroup_size_control;
const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = true;
const BAND: u32 = 8u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = true;
const RESIDUAL: bool = true;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = true;
const STORE_PREACTIVATION: bool = true;
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const SUBGROUPS_M: u32 = 2u;
const SUBGROUPS_N: u32 = 2u;
const TILE_K: u32 = 32u;
const DOUBLE_BUFFERED: bool = false;
const RAGGED_K: bool = false;
const K_CONTIGUOUS_A: bool = true;
const K_CONTIGUOUS_B: bool = true;
const MAT_M: u32 = 16u;
const MAT_N: u32 = 16u;
const MAT_K: u32 = 16u;
const FRAGMENTS_M: u32 = 2u;
const FRAGMENTS_N: u32 = 2u;
const FRAGMENTS_K: u32 = 2u;
const LANES: u32 = 64u;
const PINNED: bool = true;
const UNIT: u32 = 8u;
const FETCHES_A: u32 = 1u;
const FETCHES_B: u32 = 1u;
const FLOAT16: bool = true;
const CONVERT_C: bool = true;
const CONVERT_PREACTIVATION: bool = true;
const ROUND_A: bool = false;
const ROUND_B: bool = false;
@group(0) @binding(0) var<storage, read> a: array<vec4u>;
@group(0) @binding(1) var<storage, read> b: array<vec4u>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
fn load_bias(i: u32) -> vec4f { return bias[i]; }
@group(0) @binding(3) var<storage, read> residual: array<vec4f>;
fn load_residual(i: u32) -> vec4f { return residual[i]; }
@group(0) @binding(4) var<storage, read_write> c: array<vec2u>;
fn load_c(i: u32) -> vec4f { return vec4f(unpack2x16float(c[i].x), unpack2x16float(c[i].y)); }
fn store_c(i: u32, v: vec4f) { c[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
@group(0) @binding(5) var<storage, read_write> preactivation: array<vec2u>;
fn load_preactivation(i: u32) -> vec4f { return vec4f(unpack2x16float(preactivation[i].x), unpack2x16float(preactivation[i].y)); }
fn store_preactivation(i: u32, v: vec4f) { preactivation[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
struct Uniforms { BATCH: u32, M: u32, N: u32, K: u32, TILES_M: u32, TILES_N: u32, GRID_X: u32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
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
fn activate(x: f32) -> f32 { return quick_gelu(x); }
fn derivative(x: f32) -> f32 { return quick_gelu_derivative(x); }
fn store(z: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= uniforms.M || n >= uniforms.N) { return; }
  let at = ((z * uniforms.M + m) * uniforms.N + n) / 4u;
  var value = sums;
  value += load_bias(n / 4u);
  preactivation[at] = bitcast<vec2u>(vec4<f16>(value));
  value = vec4f(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
  value += load_residual(at);
  c[at] = bitcast<vec2u>(vec4<f16>(value));
}
alias Component = f16;
alias Unit = vec4u;
alias Left = subgroup_matrix_left<Component, MAT_K, MAT_M>;
alias Right = subgroup_matrix_right<Component, MAT_N, MAT_K>;
alias Sum = subgroup_matrix_result<f32, MAT_N, MAT_M>;
const INVOCATIONS = SUBGROUPS_M * SUBGROUPS_N * LANES;
const ACROSS_A = select(TILE_M, TILE_K, K_CONTIGUOUS_A) / UNIT;
const UNITS_A = TILE_M * TILE_K / UNIT;
const STRIDE_A = ACROSS_A + 1u;
const SHARED_A = UNITS_A / ACROSS_A * STRIDE_A;
alias Fetched_A = Unit;
fn to_shared_a(unit: Fetched_A) -> Unit { return unit; }
fn unit_a(at: u32) -> Fetched_A { return a[at / UNIT]; }
fn fetch_a(z: u32, first: u32, k: u32, unit: u32) -> Fetched_A {
  let row = unit / ACROSS_A;
  let along = unit % ACROSS_A * UNIT;
  let depth = k + along;
  let at = (z * uniforms.M + min(first + row, uniforms.M - 1u)) * uniforms.K + depth;
  if (RAGGED_K && depth >= uniforms.K) { return Fetched_A(); }
  return unit_a(at);
}
fn store_shared_a(begin: u32, unit: u32, value: Fetched_A) {
  if (UNITS_A % INVOCATIONS != 0u && unit >= UNITS_A) { return; }
  shared_tiles[begin + unit / ACROSS_A * STRIDE_A + unit % ACROSS_A] = to_shared_a(value);
}
const ACROSS_B = select(TILE_N, TILE_K, K_CONTIGUOUS_B) / UNIT;
const UNITS_B = TILE_N * TILE_K / UNIT;
const STRIDE_B = ACROSS_B + 1u;
const SHARED_B = UNITS_B / ACROSS_B * STRIDE_B;
alias Fetched_B = Unit;
fn to_shared_b(unit: Fetched_B) -> Unit { return unit; }
fn unit_b(at: u32) -> Fetched_B { return b[at / UNIT]; }
fn fetch_b(z: u32, first: u32, k: u32, unit: u32) -> Fetched_B {
  let row = unit / ACROSS_B;
  let along = unit % ACROSS_B * UNIT;
  let depth = k + along;
  let at = (z * uniforms.N + min(first + row, uniforms.N - 1u)) * uniforms.K + depth;
  if (RAGGED_K && depth >= uniforms.K) { return Fetched_B(); }
  return unit_b(at);
}
fn store_shared_b(begin: u32, unit: u32, value: Fetched_B) {
  if (UNITS_B % INVOCATIONS != 0u && unit >= UNITS_B) { return; }
  shared_tiles[begin + unit / ACROSS_B * STRIDE_B + unit % ACROSS_B] = to_shared_b(value);
}
const SHARED = SHARED_A + SHARED_B;
const COLUMNS = FRAGMENTS_N * MAT_N;
const QUADS_ACROSS = COLUMNS / 4u;
const STRIDE_STRIP = QUADS_ACROSS + 1u;
const STRIP = MAT_M * STRIDE_STRIP;
var<workgroup> shared_tiles: array<Unit, max(select(1u, 2u, DOUBLE_BUFFERED) * SHARED, SUBGROUPS_M * SUBGROUPS_N * STRIP)>;
@subgroup_size(LANES)
@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(group);
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let n0 = tile.z * TILE_N;
  let subgroup_m = subgroup / SUBGROUPS_N * (FRAGMENTS_M * MAT_M);
  let subgroup_n = subgroup % SUBGROUPS_N * COLUMNS;
  var sum0_0: Sum;
  var sum0_1: Sum;
  var sum1_0: Sum;
  var sum1_1: Sum;
  var next_a0 = fetch_a(z, m0, 0u, min(index + 0 * INVOCATIONS, UNITS_A - 1u));
  var next_b0 = fetch_b(z, n0, 0u, min(index + 0 * INVOCATIONS, UNITS_B - 1u));
  var begin = 0u;
  for (var k0 = 0u; k0 < uniforms.K; k0 += TILE_K) {
    let more = k0 + TILE_K < uniforms.K;
    workgroupBarrier();
    store_shared_a(0u, index + 0 * INVOCATIONS, next_a0);
    store_shared_b(SHARED_A, index + 0 * INVOCATIONS, next_b0);
    workgroupBarrier();
    if (more) {
      next_a0 = fetch_a(z, m0, k0 + TILE_K, min(index + 0 * INVOCATIONS, UNITS_A - 1u));
      next_b0 = fetch_b(z, n0, k0 + TILE_K, min(index + 0 * INVOCATIONS, UNITS_B - 1u));
    }
    {
      let k = 0 * MAT_K;
      let n0 = subgroup_n + 0 * MAT_N;
      let right0 = subgroupMatrixLoad<Right, col_major>(&shared_tiles, begin + SHARED_A + n0 * STRIDE_B + k / UNIT, STRIDE_B);
      let n1 = subgroup_n + 1 * MAT_N;
      let right1 = subgroupMatrixLoad<Right, col_major>(&shared_tiles, begin + SHARED_A + n1 * STRIDE_B + k / UNIT, STRIDE_B);
      let m0 = subgroup_m + 0 * MAT_M;
      let left0 = subgroupMatrixLoad<Left, row_major>(&shared_tiles, begin + m0 * STRIDE_A + k / UNIT, STRIDE_A);
      sum0_0 = subgroupMatrixMultiplyAccumulate(left0, right0, sum0_0);
      sum0_1 = subgroupMatrixMultiplyAccumulate(left0, right1, sum0_1);
      let m1 = subgroup_m + 1 * MAT_M;
      let left1 = subgroupMatrixLoad<Left, row_major>(&shared_tiles, begin + m1 * STRIDE_A + k / UNIT, STRIDE_A);
      sum1_0 = subgroupMatrixMultiplyAccumulate(left1, right0, sum1_0);
      sum1_1 = subgroupMatrixMultiplyAccumulate(left1, right1, sum1_1);
    }
    {
      let k = 1 * MAT_K;
      let n0 = subgroup_n + 0 * MAT_N;
      let right0 = subgroupMatrixLoad<Right, col_major>(&shared_tiles, begin + SHARED_A + n0 * STRIDE_B + k / UNIT, STRIDE_B);
      let n1 = subgroup_n + 1 * MAT_N;
      let right1 = subgroupMatrixLoad<Right, col_major>(&shared_tiles, begin + SHARED_A + n1 * STRIDE_B + k / UNIT, STRIDE_B);
      let m0 = subgroup_m + 0 * MAT_M;
      let left0 = subgroupMatrixLoad<Left, row_major>(&shared_tiles, begin + m0 * STRIDE_A + k / UNIT, STRIDE_A);
      sum0_0 = subgroupMatrixMultiplyAccumulate(left0, right0, sum0_0);
      sum0_1 = subgroupMatrixMultiplyAccumulate(left0, right1, sum0_1);
      let m1 = subgroup_m + 1 * MAT_M;
      let left1 = subgroupMatrixLoad<Left, row_major>(&shared_tiles, begin + m1 * STRIDE_A + k / UNIT, STRIDE_A);
      sum1_0 = subgroupMatrixMultiplyAccumulate(left1, right0, sum1_0);
      sum1_1 = subgroupMatrixMultiplyAccumulate(left1, right1, sum1_1);
    }
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&shared_tiles, subgroup * STRIP + 0 * MAT_N / 4u, sum0_0, STRIDE_STRIP);
  subgroupMatrixStore<row_major>(&shared_tiles, subgroup * STRIP + 1 * MAT_N / 4u, sum0_1, STRIDE_STRIP);
  workgroupBarrier();
  for (var quad = lane; quad < MAT_M * QUADS_ACROSS; quad += LANES) {
    let row = quad / QUADS_ACROSS;
    let column = quad % QUADS_ACROSS;
    let sums = bitcast<vec4f>(shared_tiles[subgroup * STRIP + row * STRIDE_STRIP + column]);
    store(z, m0 + subgroup_m + 0 * MAT_M + row, n0 + subgroup_n + 4u * column, sums);
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&shared_tiles, subgroup * STRIP + 0 * MAT_N / 4u, sum1_0, STRIDE_STRIP);
  subgroupMatrixStore<row_major>(&shared_tiles, subgroup * STRIP + 1 * MAT_N / 4u, sum1_1, STRIDE_STRIP);
  workgroupBarrier();
  for (var quad = lane; quad < MAT_M * QUADS_ACROSS; quad += LANES) {
    let row = quad / QUADS_ACROSS;
    let column = quad % QUADS_ACROSS;
    let sums = bitcast<vec4f>(shared_tiles[subgroup * STRIP + row * STRIDE_STRIP + column]);
    store(z, m0 + subgroup_m + 1 * MAT_M + row, n0 + subgroup_n + 4u * column, sums);
  }
}
