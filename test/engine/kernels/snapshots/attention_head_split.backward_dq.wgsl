enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = true;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = true;
const BACKWARD_DKV: bool = false;
const BACKWARD: bool = true;
const LANES: u32 = 8u;
const TILE: u32 = 2u;
const VECTORS_PER_LANE: u32 = 2u;
const TILE_VECTORS: u32 = 4u;
const TOKENS: u32 = 2u;
const HEADS: u32 = 2u;
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
fn load_qkv(i: u32) -> vec4f { return qkv[i]; }
@group(0) @binding(1) var<storage, read> o: array<vec4f>;
fn load_o(i: u32) -> vec4f { return o[i]; }
@group(0) @binding(2) var<storage, read> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
@group(0) @binding(3) var<storage, read> d_o: array<vec4f>;
fn load_d_o(i: u32) -> vec4f { return d_o[i]; }
@group(0) @binding(4) var<storage, read_write> d_qkv: array<vec4f>;
fn load_d_qkv(i: u32) -> vec4f { return d_qkv[i]; }
fn store_d_qkv(i: u32, v: vec4f) { d_qkv[i] = v; }
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
fn load_delta(i: u32) -> f32 { return delta[i]; }
fn store_delta(i: u32, v: f32) { delta[i] = v; }
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
fn backward_dq(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let values = min(TILE_VECTORS, arrayLength(&d_qkv));
  var delta0 = 0.0;
  var log0 = 0.0;
  var q0_0 = vec4f(0.0);
  var g0_0 = vec4f(0.0);
  var sum0_0 = vec4f(0.0);
  var q0_1 = vec4f(0.0);
  var g0_1 = vec4f(0.0);
  var sum0_1 = vec4f(0.0);
  var delta1 = 0.0;
  var log1 = 0.0;
  var q1_0 = vec4f(0.0);
  var g1_0 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  var q1_1 = vec4f(0.0);
  var g1_1 = vec4f(0.0);
  var sum1_1 = vec4f(0.0);
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    let at = i % VECTORS_PER_LANE * LANES + lane;
    let value = load_qkv(qkv_row(batch, token, 0u, head) + at) * (SCALE * LOG2_E);
    let output_gradient = load_d_o(o_row(batch, token, head) + at);
    let product = dot(output_gradient, load_o(o_row(batch, token, head) + at));
    let log_sum = lse[scalar_at(batch, token, head)] * LOG2_E;
    delta0 += select(0.0, product, i / VECTORS_PER_LANE == 0u);
    log0 = select(log0, log_sum, i / VECTORS_PER_LANE == 0u);
    q0_0 = select(q0_0, value, i == 0u * VECTORS_PER_LANE + 0u);
    g0_0 = select(g0_0, output_gradient, i == 0u * VECTORS_PER_LANE + 0u);
    q0_1 = select(q0_1, value, i == 0u * VECTORS_PER_LANE + 1u);
    g0_1 = select(g0_1, output_gradient, i == 0u * VECTORS_PER_LANE + 1u);
    delta1 += select(0.0, product, i / VECTORS_PER_LANE == 1u);
    log1 = select(log1, log_sum, i / VECTORS_PER_LANE == 1u);
    q1_0 = select(q1_0, value, i == 1u * VECTORS_PER_LANE + 0u);
    g1_0 = select(g1_0, output_gradient, i == 1u * VECTORS_PER_LANE + 0u);
    q1_1 = select(q1_1, value, i == 1u * VECTORS_PER_LANE + 1u);
    g1_1 = select(g1_1, output_gradient, i == 1u * VECTORS_PER_LANE + 1u);
  }
  delta0 = add_lane(delta0);
  delta1 = add_lane(delta1);
  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var key = 0u; key < end; key++) {
    let at = qkv_row(batch, key, 1u, head) + lane;
    let k0 = load_qkv(at + 0u * LANES);
    let v0 = load_qkv(at + HEADS * HEAD + 0u * LANES);
    let k1 = load_qkv(at + 1u * LANES);
    let v1 = load_qkv(at + HEADS * HEAD + 1u * LANES);
    var products0 = vec2f(0.0);
    products0 += vec2f(dot(q0_0, k0), dot(g0_0, v0));
    products0 += vec2f(dot(q0_1, k1), dot(g0_1, v1));
    products0 = add_lanes(products0);
    let unmasked0 = exp2(products0.x - log0) * (products0.y - delta0) * SCALE;
    let ds0 = select(unmasked0, 0.0, CAUSAL & (key > first + 0u));
    sum0_0 += ds0 * k0;
    sum0_1 += ds0 * k1;
    var products1 = vec2f(0.0);
    products1 += vec2f(dot(q1_0, k0), dot(g1_0, v0));
    products1 += vec2f(dot(q1_1, k1), dot(g1_1, v1));
    products1 = add_lanes(products1);
    let unmasked1 = exp2(products1.x - log1) * (products1.y - delta1) * SCALE;
    let ds1 = select(unmasked1, 0.0, CAUSAL & (key > first + 1u));
    sum1_0 += ds1 * k0;
    sum1_1 += ds1 * k1;
  }
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var value = vec4f(0.0);
    var products = 0.0;
    products = select(products, delta0, i / VECTORS_PER_LANE == 0u);
    value = select(value, sum0_0, i == 0u * VECTORS_PER_LANE + 0u);
    value = select(value, sum0_1, i == 0u * VECTORS_PER_LANE + 1u);
    products = select(products, delta1, i / VECTORS_PER_LANE == 1u);
    value = select(value, sum1_0, i == 1u * VECTORS_PER_LANE + 0u);
    value = select(value, sum1_1, i == 1u * VECTORS_PER_LANE + 1u);
    if (token < TOKENS) {
      store_d_qkv(qkv_row(batch, token, 0u, head) + i % VECTORS_PER_LANE * LANES + lane, value);
      if (lane == 0u && i % VECTORS_PER_LANE == 0u) { delta[scalar_at(batch, token, head)] = products; }
    }
  }
}
