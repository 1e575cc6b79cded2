const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = false;
const B_TRANSPOSED: bool = true;
const BAND: u32 = 2u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = true;
const RESIDUAL: bool = true;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = true;
const STORE_PREACTIVATION: bool = true;
const ROWS: u32 = 8u;
const ROUNDS: u32 = 2u;
const ROWS_PER_ROUND: u32 = 4u;
const INVOCATIONS: u32 = 256u;
const INVOCATIONS_N: u32 = 1u;
const SUMS_PER_INVOCATION: u32 = 16u;
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
fn load_a(i: u32) -> vec4f { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
fn load_b(i: u32) -> vec4f { return b[i]; }
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
fn load_bias(i: u32) -> vec4f { return bias[i]; }
@group(0) @binding(3) var<storage, read> residual: array<vec4f>;
fn load_residual(i: u32) -> vec4f { return residual[i]; }
@group(0) @binding(4) var<storage, read_write> c: array<vec4f>;
fn load_c(i: u32) -> vec4f { return c[i]; }
fn store_c(i: u32, v: vec4f) { c[i] = v; }
@group(0) @binding(5) var<storage, read_write> preactivation: array<vec4f>;
fn load_preactivation(i: u32) -> vec4f { return preactivation[i]; }
fn store_preactivation(i: u32, v: vec4f) { preactivation[i] = v; }
struct Uniforms { BATCH: u32, M: u32, N: u32, K: u32, TILES_M: u32, TILES_N: u32, GRID_X: u32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
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
  store_preactivation(at, value);
  value = vec4f(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
  value += load_residual(at);
  store_c(at, value);
}
var<workgroup> shared_sums: array<vec4f, ROWS_PER_ROUND * INVOCATIONS>;
fn block_b(z: u32, n: u32, quad: u32) -> mat4x4f {
  var block: mat4x4f;
  block[0] = load_b((z * uniforms.N + min(n + 0u, uniforms.N - 1u)) * (uniforms.K / 4u) + quad);
  block[1] = load_b((z * uniforms.N + min(n + 1u, uniforms.N - 1u)) * (uniforms.K / 4u) + quad);
  block[2] = load_b((z * uniforms.N + min(n + 2u, uniforms.N - 1u)) * (uniforms.K / 4u) + quad);
  block[3] = load_b((z * uniforms.N + min(n + 3u, uniforms.N - 1u)) * (uniforms.K / 4u) + quad);
  return transpose(block);
}
fn quad_a(z: u32, m: u32, quad: u32) -> vec4f { return load_a((z * uniforms.M + min(m, uniforms.M - 1u)) * (uniforms.K / 4u) + quad); }
fn multiply(a: vec4f, b: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(a.w), b[3], fma(vec4f(a.z), b[2], fma(vec4f(a.y), b[1], fma(vec4f(a.x), b[0], sum))));
}
@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tile_of(group);
  let z = tile.x;
  let m = tile.y * ROWS;
  let n = tile.z * 4u * INVOCATIONS_N;
  let column = n + 4u * (lane % INVOCATIONS_N);
  let depth = INVOCATIONS / INVOCATIONS_N;
  let quads = uniforms.K / 4u;
  var sum0_0 = vec4f(0.0);
  var sum0_1 = vec4f(0.0);
  var sum0_2 = vec4f(0.0);
  var sum0_3 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  var sum1_1 = vec4f(0.0);
  var sum1_2 = vec4f(0.0);
  var sum1_3 = vec4f(0.0);
  var quad = lane / INVOCATIONS_N;
  var b = block_b(z, column, min(quad, quads - 1u));
  for (; quad < quads; quad += depth) {
    let next = block_b(z, column, min(quad + depth, quads - 1u));
    sum0_0 = multiply(quad_a(z, m + 0 * ROWS_PER_ROUND + 0u, quad), b, sum0_0);
    sum0_1 = multiply(quad_a(z, m + 0 * ROWS_PER_ROUND + 1u, quad), b, sum0_1);
    sum0_2 = multiply(quad_a(z, m + 0 * ROWS_PER_ROUND + 2u, quad), b, sum0_2);
    sum0_3 = multiply(quad_a(z, m + 0 * ROWS_PER_ROUND + 3u, quad), b, sum0_3);
    sum1_0 = multiply(quad_a(z, m + 1 * ROWS_PER_ROUND + 0u, quad), b, sum1_0);
    sum1_1 = multiply(quad_a(z, m + 1 * ROWS_PER_ROUND + 1u, quad), b, sum1_1);
    sum1_2 = multiply(quad_a(z, m + 1 * ROWS_PER_ROUND + 2u, quad), b, sum1_2);
    sum1_3 = multiply(quad_a(z, m + 1 * ROWS_PER_ROUND + 3u, quad), b, sum1_3);
    b = next;
  }
  let parts = INVOCATIONS / SUMS_PER_INVOCATION;
  let adds = lane < ROWS_PER_ROUND * parts;
  workgroupBarrier();
  shared_sums[0 * INVOCATIONS + lane] = sum0_0;
  shared_sums[1 * INVOCATIONS + lane] = sum0_1;
  shared_sums[2 * INVOCATIONS + lane] = sum0_2;
  shared_sums[3 * INVOCATIONS + lane] = sum0_3;
  workgroupBarrier();
  var part0 = vec4f(0.0);
  if (adds) {
    let at = lane / parts * INVOCATIONS + lane % parts;
    for (var i = 0u; i < SUMS_PER_INVOCATION; i++) { part0 += shared_sums[at + i * parts]; }
  }
  workgroupBarrier();
  shared_sums[0 * INVOCATIONS + lane] = sum1_0;
  shared_sums[1 * INVOCATIONS + lane] = sum1_1;
  shared_sums[2 * INVOCATIONS + lane] = sum1_2;
  shared_sums[3 * INVOCATIONS + lane] = sum1_3;
  workgroupBarrier();
  var part1 = vec4f(0.0);
  if (adds) {
    let at = lane / parts * INVOCATIONS + lane % parts;
    for (var i = 0u; i < SUMS_PER_INVOCATION; i++) { part1 += shared_sums[at + i * parts]; }
  }
  workgroupBarrier();
  if (adds) {
    shared_sums[0 * ROWS_PER_ROUND * parts + lane] = part0;
    shared_sums[1 * ROWS_PER_ROUND * parts + lane] = part1;
  }
  workgroupBarrier();
  if (lane >= ROWS * INVOCATIONS_N) { return; }
  let row = lane / INVOCATIONS_N;
  let across = lane % INVOCATIONS_N;
  var total = vec4f(0.0);
  for (var i = across; i < parts; i += INVOCATIONS_N) { total += shared_sums[row * parts + i]; }
  store(z, m + row, n + 4u * across, total);
}
