enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = true;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = true;
const BACKWARD: bool = true;
const LANES: u32 = 8u;
const TILE: u32 = 2u;
const VECTORS_PER_LANE: u32 = 2u;
const TILE_VECTORS: u32 = 4u;
const TOKENS: u32 = 2u;
const HEADS: u32 = 2u;
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
fn load_qkv(i: u32) -> vec4f { return qkv[i]; }
@group(0) @binding(1) var<storage, read> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
@group(0) @binding(2) var<storage, read> d_o: array<vec4f>;
fn load_d_o(i: u32) -> vec4f { return d_o[i]; }
@group(0) @binding(3) var<storage, read> delta: array<f32>;
fn load_delta(i: u32) -> f32 { return delta[i]; }
@group(0) @binding(4) var<storage, read_write> d_qkv: array<vec4f>;
fn load_d_qkv(i: u32) -> vec4f { return d_qkv[i]; }
fn store_d_qkv(i: u32, v: vec4f) { d_qkv[i] = v; }
const HEAD = 16u;
const SCALE = 0.125f;
const LOWEST = -3.0e38f;
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
fn qkv_row(batch: u32, token: u32, part: u32, head: u32) -> u32 {
  return ((batch * TOKENS + min(token, TOKENS - 1u)) * 3u + part) * HEADS * HEAD + head * HEAD;
}
fn o_row(batch: u32, token: u32, head: u32) -> u32 {
  return ((batch * TOKENS + min(token, TOKENS - 1u)) * HEADS + head) * HEAD;
}
fn scalar_at(batch: u32, token: u32, head: u32) -> u32 {
  return (batch * HEADS + head) * TOKENS + min(token, TOKENS - 1u);
}
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;
fn add_lanes(x: vec2f) -> vec2f {
  var sum = x + subgroupShuffleXor(x, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  if (LANES > 4u) { sum += subgroupShuffleXor(sum, 4u); }
  if (LANES > 8u) { sum += subgroupShuffleXor(sum, 8u); }
  return sum;
}
fn add_lane(x: f32) -> f32 {
  var sum = x + subgroupShuffleXor(x, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  if (LANES > 4u) { sum += subgroupShuffleXor(sum, 4u); }
  if (LANES > 8u) { sum += subgroupShuffleXor(sum, 8u); }
  return sum;
}
fn max_lane(x: f32) -> f32 {
  var largest = max(x, subgroupShuffleXor(x, 1u));
  largest = max(largest, subgroupShuffleXor(largest, 2u));
  if (LANES > 4u) { largest = max(largest, subgroupShuffleXor(largest, 4u)); }
  if (LANES > 8u) { largest = max(largest, subgroupShuffleXor(largest, 8u)); }
  return largest;
}
@compute @workgroup_size(LANES)
fn backward_dkv(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let values = min(TILE_VECTORS, arrayLength(&d_qkv));
  var k0_0 = vec4f(0.0);
  var v0_0 = vec4f(0.0);
  var k_sum0_0 = vec4f(0.0);
  var v_sum0_0 = vec4f(0.0);
  var k0_1 = vec4f(0.0);
  var v0_1 = vec4f(0.0);
  var k_sum0_1 = vec4f(0.0);
  var v_sum0_1 = vec4f(0.0);
  var k1_0 = vec4f(0.0);
  var v1_0 = vec4f(0.0);
  var k_sum1_0 = vec4f(0.0);
  var v_sum1_0 = vec4f(0.0);
  var k1_1 = vec4f(0.0);
  var v1_1 = vec4f(0.0);
  var k_sum1_1 = vec4f(0.0);
  var v_sum1_1 = vec4f(0.0);
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / VECTORS_PER_LANE, 1u, head) + i % VECTORS_PER_LANE * LANES + lane;
    let k = load_qkv(at) * (SCALE * LOG2_E);
    let v = load_qkv(at + HEADS * HEAD);
    k0_0 = select(k0_0, k, i == 0u * VECTORS_PER_LANE + 0u);
    v0_0 = select(v0_0, v, i == 0u * VECTORS_PER_LANE + 0u);
    k0_1 = select(k0_1, k, i == 0u * VECTORS_PER_LANE + 1u);
    v0_1 = select(v0_1, v, i == 0u * VECTORS_PER_LANE + 1u);
    k1_0 = select(k1_0, k, i == 1u * VECTORS_PER_LANE + 0u);
    v1_0 = select(v1_0, v, i == 1u * VECTORS_PER_LANE + 0u);
    k1_1 = select(k1_1, k, i == 1u * VECTORS_PER_LANE + 1u);
    v1_1 = select(v1_1, v, i == 1u * VECTORS_PER_LANE + 1u);
  }
  for (var query = select(0u, first, CAUSAL); query < TOKENS; query++) {
    let q_at = qkv_row(batch, query, 0u, head) + lane;
    let o_at = o_row(batch, query, head) + lane;
    let log_sum = lse[scalar_at(batch, query, head)] * LOG2_E;
    let products = delta[scalar_at(batch, query, head)];
    let q0 = load_qkv(q_at + 0u * LANES);
    let g0 = load_d_o(o_at + 0u * LANES);
    let q1 = load_qkv(q_at + 1u * LANES);
    let g1 = load_d_o(o_at + 1u * LANES);
    var products0 = vec2f(0.0);
    products0 += vec2f(dot(k0_0, q0), dot(v0_0, g0));
    products0 += vec2f(dot(k0_1, q1), dot(v0_1, g1));
    products0 = add_lanes(products0);
    let p0 = select(exp2(products0.x - log_sum), 0.0, CAUSAL & (first + 0u > query));
    let ds0 = p0 * (products0.y - products) * SCALE;
    k_sum0_0 += ds0 * q0;
    v_sum0_0 += p0 * g0;
    k_sum0_1 += ds0 * q1;
    v_sum0_1 += p0 * g1;
    var products1 = vec2f(0.0);
    products1 += vec2f(dot(k1_0, q0), dot(v1_0, g0));
    products1 += vec2f(dot(k1_1, q1), dot(v1_1, g1));
    products1 = add_lanes(products1);
    let p1 = select(exp2(products1.x - log_sum), 0.0, CAUSAL & (first + 1u > query));
    let ds1 = p1 * (products1.y - products) * SCALE;
    k_sum1_0 += ds1 * q0;
    v_sum1_0 += p1 * g0;
    k_sum1_1 += ds1 * q1;
    v_sum1_1 += p1 * g1;
  }
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var k = vec4f(0.0);
    var v = vec4f(0.0);
    k = select(k, k_sum0_0, i == 0u * VECTORS_PER_LANE + 0u);
    v = select(v, v_sum0_0, i == 0u * VECTORS_PER_LANE + 0u);
    k = select(k, k_sum0_1, i == 0u * VECTORS_PER_LANE + 1u);
    v = select(v, v_sum0_1, i == 0u * VECTORS_PER_LANE + 1u);
    k = select(k, k_sum1_0, i == 1u * VECTORS_PER_LANE + 0u);
    v = select(v, v_sum1_0, i == 1u * VECTORS_PER_LANE + 0u);
    k = select(k, k_sum1_1, i == 1u * VECTORS_PER_LANE + 1u);
    v = select(v, v_sum1_1, i == 1u * VECTORS_PER_LANE + 1u);
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 1u, head) + i % VECTORS_PER_LANE * LANES + lane;
      store_d_qkv(at, k);
      store_d_qkv(at + HEADS * HEAD, v);
    }
  }
}
