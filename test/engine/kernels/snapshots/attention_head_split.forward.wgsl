enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = true;
const FORWARD: bool = true;
const STORE_LSE: bool = true;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = false;
const BACKWARD: bool = false;
const LANES: u32 = 8u;
const TILE: u32 = 2u;
const VECTORS_PER_LANE: u32 = 2u;
const TILE_VECTORS: u32 = 4u;
const TOKENS: u32 = 2u;
const HEADS: u32 = 2u;
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
fn load_qkv(i: u32) -> vec4f { return qkv[i]; }
@group(0) @binding(1) var<storage, read_write> o: array<vec4f>;
fn load_o(i: u32) -> vec4f { return o[i]; }
fn store_o(i: u32, v: vec4f) { o[i] = v; }
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
fn store_lse(i: u32, v: f32) { lse[i] = v; }
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
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let values = min(TILE_VECTORS, arrayLength(&o));
  var highest0 = LOWEST;
  var total0 = 0.0;
  var q0_0 = vec4f(0.0);
  var sum0_0 = vec4f(0.0);
  var q0_1 = vec4f(0.0);
  var sum0_1 = vec4f(0.0);
  var highest1 = LOWEST;
  var total1 = 0.0;
  var q1_0 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  var q1_1 = vec4f(0.0);
  var sum1_1 = vec4f(0.0);
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / VECTORS_PER_LANE, 0u, head) + i % VECTORS_PER_LANE * LANES + lane;
    let value = load_qkv(at) * (SCALE * LOG2_E);
    q0_0 = select(q0_0, value, i == 0u * VECTORS_PER_LANE + 0u);
    q0_1 = select(q0_1, value, i == 0u * VECTORS_PER_LANE + 1u);
    q1_0 = select(q1_0, value, i == 1u * VECTORS_PER_LANE + 0u);
    q1_1 = select(q1_1, value, i == 1u * VECTORS_PER_LANE + 1u);
  }
  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += LANES) {
    let keys = min(LANES, end - block);
    var s0 = LOWEST;
    var s1 = LOWEST;
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 1u, head) + lane;
      let k0 = load_qkv(at + 0u * LANES);
      let k1 = load_qkv(at + 1u * LANES);
      var product0 = 0.0;
      product0 += dot(q0_0, k0);
      product0 += dot(q0_1, k1);
      s0 = select(s0, add_lane(product0), e == lane);
      var product1 = 0.0;
      product1 += dot(q1_0, k0);
      product1 += dot(q1_1, k1);
      s1 = select(s1, add_lane(product1), e == lane);
    }
    s0 = select(s0, LOWEST, CAUSAL & (block + lane > first + 0u));
    let most0 = max(highest0, max_lane(s0));
    let shrink0 = exp2(highest0 - most0);
    let p0 = exp2(s0 - most0);
    highest0 = most0;
    total0 = total0 * shrink0 + p0;
    sum0_0 *= shrink0;
    sum0_1 *= shrink0;
    s1 = select(s1, LOWEST, CAUSAL & (block + lane > first + 1u));
    let most1 = max(highest1, max_lane(s1));
    let shrink1 = exp2(highest1 - most1);
    let p1 = exp2(s1 - most1);
    highest1 = most1;
    total1 = total1 * shrink1 + p1;
    sum1_0 *= shrink1;
    sum1_1 *= shrink1;
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 2u, head) + lane;
      let v0 = load_qkv(at + 0u * LANES);
      let v1 = load_qkv(at + 1u * LANES);
      let weight0 = subgroupShuffle(p0, e);
      sum0_0 += weight0 * v0;
      sum0_1 += weight0 * v1;
      let weight1 = subgroupShuffle(p1, e);
      sum1_0 += weight1 * v0;
      sum1_1 += weight1 * v1;
    }
  }
  total0 = sum_under(highest0, add_lane(total0));
  total1 = sum_under(highest1, add_lane(total1));
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var value = vec4f(0.0);
    var sums = vec2f(0.0, 1.0);
    sums = select(sums, vec2f(highest0, total0), i / VECTORS_PER_LANE == 0u);
    value = select(value, sum0_0, i == 0u * VECTORS_PER_LANE + 0u);
    value = select(value, sum0_1, i == 0u * VECTORS_PER_LANE + 1u);
    sums = select(sums, vec2f(highest1, total1), i / VECTORS_PER_LANE == 1u);
    value = select(value, sum1_0, i == 1u * VECTORS_PER_LANE + 0u);
    value = select(value, sum1_1, i == 1u * VECTORS_PER_LANE + 1u);
    if (token < TOKENS) {
      store_o(o_row(batch, token, head) + i % VECTORS_PER_LANE * LANES + lane, value * (1.0 / sums.y));
      if (lane == 0u && i % VECTORS_PER_LANE == 0u) {
        lse[scalar_at(batch, token, head)] = select((sums.x + log2(sums.y)) * LN_2, sums.y, is_nan(sums.y));
      }
    }
  }
}
