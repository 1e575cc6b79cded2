const WORKGROUP: u32 = 64u;
const A_TRANSPOSED: bool = true;
const B_TRANSPOSED: bool = false;
const BAND: u32 = 8u;
const SURPLUS_WORKGROUPS: bool = false;
const VECTOR_C: bool = false;
const RESIDUAL: bool = false;
const ACTIVATION_GRADIENT: bool = false;
const HAS_BIAS: bool = false;
const STORE_PREACTIVATION: bool = false;
const TILE: u32 = 32u;
const BLOCKS_M: u32 = 1u;
const BLOCKS_N: u32 = 1u;
const INVOCATIONS: u32 = 64u;
const FETCHES: u32 = 1u;
const TILE_K: u32 = 16u;
const RAGGED_K: bool = true;
const VECTOR_A: bool = false;
const VECTOR_B: bool = false;
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn load_b(i: u32) -> f32 { return b[i]; }
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
fn load_c(i: u32) -> f32 { return c[i]; }
fn store_c(i: u32, v: f32) { c[i] = v; }
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
  for (var i = 0u; i < min(4u, uniforms.N - n); i++) {
    let at = (z * uniforms.M + m) * uniforms.N + n + i;
    var value = sums[i];
    value = activate(value);
    store_c(at, value);
  }
}
const TILE_VECTORS = TILE / 4u;
const SHARED_VECTORS = TILE_K * TILE_VECTORS;
const INVOCATIONS_N = TILE_VECTORS / BLOCKS_N;
var<workgroup> shared_a: array<vec4f, SHARED_VECTORS>;
var<workgroup> shared_b: array<vec4f, SHARED_VECTORS>;
fn shared_index(k: u32, quad: u32) -> u32 { return k * TILE_VECTORS + (quad ^ (k / 4u * 2u)); }
fn quad_a(at: vec4u) -> vec4f {
  return vec4f(load_a(at.x), load_a(at.y), load_a(at.z), load_a(at.w));
}
fn quad_b(at: vec4u) -> vec4f {
  return vec4f(load_b(at.x), load_b(at.y), load_b(at.z), load_b(at.w));
}
fn block_a(z: u32, m: u32, k: u32) -> mat4x4f {
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let rows = min(m + offsets, vec4u(uniforms.M - 1u));
  let steps = min(k + offsets, vec4u(uniforms.K - 1u));
  var block: mat4x4f;
  block[0] = quad_a((z * uniforms.K + steps[0]) * uniforms.M + rows);
  block[1] = quad_a((z * uniforms.K + steps[1]) * uniforms.M + rows);
  block[2] = quad_a((z * uniforms.K + steps[2]) * uniforms.M + rows);
  block[3] = quad_a((z * uniforms.K + steps[3]) * uniforms.M + rows);
  return block;
}
fn block_b(z: u32, n: u32, k: u32) -> mat4x4f {
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let columns = min(n + offsets, vec4u(uniforms.N - 1u));
  let steps = min(k + offsets, vec4u(uniforms.K - 1u));
  var block: mat4x4f;
  block[0] = quad_b((z * uniforms.K + steps[0]) * uniforms.N + columns);
  block[1] = quad_b((z * uniforms.K + steps[1]) * uniforms.N + columns);
  block[2] = quad_b((z * uniforms.K + steps[2]) * uniforms.N + columns);
  block[3] = quad_b((z * uniforms.K + steps[3]) * uniforms.N + columns);
  return block;
}
fn block_position(block: u32, along_k: bool) -> vec2u {
  let number = block % TILE;
  if (along_k) { return vec2u(number / 4u, number % 4u * 4u); }
  return vec2u(number % TILE_VECTORS, number / TILE_VECTORS * 4u);
}
fn fetch(z: u32, origin: vec2u, block: u32, k: u32) -> mat4x4f {
  var values: mat4x4f;
  var at: vec2u;
  if (block < TILE) {
    at = block_position(block, !A_TRANSPOSED);
    values = block_a(z, origin.x + 4u * at.x, k + at.y);
  } else {
    at = block_position(block, B_TRANSPOSED);
    values = block_b(z, origin.y + 4u * at.x, k + at.y);
  }
  if (RAGGED_K) {
    if (k + at.y + 0u >= uniforms.K) { values[0] = vec4f(0.0); }
    if (k + at.y + 1u >= uniforms.K) { values[1] = vec4f(0.0); }
    if (k + at.y + 2u >= uniforms.K) { values[2] = vec4f(0.0); }
    if (k + at.y + 3u >= uniforms.K) { values[3] = vec4f(0.0); }
  }
  return values;
}
fn store_shared(block: u32, values: mat4x4f) {
  if (block < TILE) {
    let at = block_position(block, !A_TRANSPOSED);
    shared_a[shared_index(at.y + 0u, at.x)] = values[0];
    shared_a[shared_index(at.y + 1u, at.x)] = values[1];
    shared_a[shared_index(at.y + 2u, at.x)] = values[2];
    shared_a[shared_index(at.y + 3u, at.x)] = values[3];
  } else {
    let at = block_position(block, B_TRANSPOSED);
    shared_b[shared_index(at.y + 0u, at.x)] = values[0];
    shared_b[shared_index(at.y + 1u, at.x)] = values[1];
    shared_b[shared_index(at.y + 2u, at.x)] = values[2];
    shared_b[shared_index(at.y + 3u, at.x)] = values[3];
  }
}
@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let tile = tile_of(group);
  let z = tile.x;
  let origin = vec2u(tile.y, tile.z) * TILE;
  let quad_m = index / INVOCATIONS_N;
  let quad_n = index % INVOCATIONS_N;
  var sum0_0_0 = vec4f(0.0);
  var sum0_1_0 = vec4f(0.0);
  var sum0_2_0 = vec4f(0.0);
  var sum0_3_0 = vec4f(0.0);
  var next0 = fetch(z, origin, index + 0 * INVOCATIONS, 0u);
  let steps = (uniforms.K + TILE_K - 1u) / TILE_K;
  for (var step = 0u; step < steps; step++) {
    workgroupBarrier();
    store_shared(index + 0 * INVOCATIONS, next0);
    workgroupBarrier();
    if (step + 1u < steps) {
      next0 = fetch(z, origin, index + 0 * INVOCATIONS, (step + 1u) * TILE_K);
    }
    for (var k = 0u; k < TILE_K; k++) {
      let b0 = shared_b[shared_index(k, quad_n + 0 * INVOCATIONS_N)];
      let a0 = shared_a[shared_index(k, quad_m + 0 * (TILE_VECTORS / BLOCKS_M))];
      sum0_0_0 = fma(vec4f(a0[0]), b0, sum0_0_0);
      sum0_1_0 = fma(vec4f(a0[1]), b0, sum0_1_0);
      sum0_2_0 = fma(vec4f(a0[2]), b0, sum0_2_0);
      sum0_3_0 = fma(vec4f(a0[3]), b0, sum0_3_0);
    }
  }
  store(z, origin.x + 4u * (quad_m + 0 * (TILE_VECTORS / BLOCKS_M)) + 0u, origin.y + 4u * (quad_n + 0 * INVOCATIONS_N), sum0_0_0);
  store(z, origin.x + 4u * (quad_m + 0 * (TILE_VECTORS / BLOCKS_M)) + 1u, origin.y + 4u * (quad_n + 0 * INVOCATIONS_N), sum0_1_0);
  store(z, origin.x + 4u * (quad_m + 0 * (TILE_VECTORS / BLOCKS_M)) + 2u, origin.y + 4u * (quad_n + 0 * INVOCATIONS_N), sum0_2_0);
  store(z, origin.x + 4u * (quad_m + 0 * (TILE_VECTORS / BLOCKS_M)) + 3u, origin.y + 4u * (quad_n + 0 * INVOCATIONS_N), sum0_3_0);
}
