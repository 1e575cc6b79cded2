enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = false;
const FORWARD: bool = true;
const STORE_LSE: bool = true;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = false;
const BACKWARD: bool = false;
const LANES: u32 = 4u;
const ROWS_PER_LANE: u32 = 1u;
const BLOCK_ROWS_PER_LANE: u32 = 2u;
const UNROLL: u32 = 1u;
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
const TILE = ROWS_PER_LANE * LANES;
const BLOCK = BLOCK_ROWS_PER_LANE * LANES;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;
fn seen(query: u32, key: u32, end: u32) -> bool {
  return (key < end) & (!CAUSAL | (key <= query));
}
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let rows = min(ROWS_PER_LANE, arrayLength(&o));
  let span = min(HEAD, arrayLength(&o));
  var q: array<vec4f, ROWS_PER_LANE * HEAD>;
  var sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 0u, head);
    for (var d = 0u; d < span; d++) { q[d * ROWS_PER_LANE + r] = load_qkv(at + d) * (SCALE * LOG2_E); }
  }
  var highest0 = LOWEST;
  var total0 = 0.0;
  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    let k_at0 = qkv_row(batch, block + 0u * LANES + lane, 1u, head);
    let v_at0 = qkv_row(batch, block + 0u * LANES + lane, 2u, head);
    var s0_0_0 = 0.0;
    var s0_0_1 = 0.0;
    var s0_0_2 = 0.0;
    var s0_0_3 = 0.0;
    let k_at1 = qkv_row(batch, block + 1u * LANES + lane, 1u, head);
    let v_at1 = qkv_row(batch, block + 1u * LANES + lane, 2u, head);
    var s0_1_0 = 0.0;
    var s0_1_1 = 0.0;
    var s0_1_2 = 0.0;
    var s0_1_3 = 0.0;
    for (var d = 0u; d < span; d += UNROLL) {
      {
        let q0 = q[(d + 0u) * ROWS_PER_LANE + 0u];
        let k0 = load_qkv(k_at0 + d + 0u);
        let k0_0 = subgroupBroadcast(k0, 0u);
        s0_0_0 += dot(q0, k0_0);
        let k0_1 = subgroupBroadcast(k0, 1u);
        s0_0_1 += dot(q0, k0_1);
        let k0_2 = subgroupBroadcast(k0, 2u);
        s0_0_2 += dot(q0, k0_2);
        let k0_3 = subgroupBroadcast(k0, 3u);
        s0_0_3 += dot(q0, k0_3);
        let k1 = load_qkv(k_at1 + d + 0u);
        let k1_0 = subgroupBroadcast(k1, 0u);
        s0_1_0 += dot(q0, k1_0);
        let k1_1 = subgroupBroadcast(k1, 1u);
        s0_1_1 += dot(q0, k1_1);
        let k1_2 = subgroupBroadcast(k1, 2u);
        s0_1_2 += dot(q0, k1_2);
        let k1_3 = subgroupBroadcast(k1, 3u);
        s0_1_3 += dot(q0, k1_3);
      }
    }
    var most0 = highest0;
    s0_0_0 = select(LOWEST, s0_0_0, seen(first + lane + 0u * LANES, block + 0u * LANES + 0u, end));
    most0 = max(most0, s0_0_0);
    s0_0_1 = select(LOWEST, s0_0_1, seen(first + lane + 0u * LANES, block + 0u * LANES + 1u, end));
    most0 = max(most0, s0_0_1);
    s0_0_2 = select(LOWEST, s0_0_2, seen(first + lane + 0u * LANES, block + 0u * LANES + 2u, end));
    most0 = max(most0, s0_0_2);
    s0_0_3 = select(LOWEST, s0_0_3, seen(first + lane + 0u * LANES, block + 0u * LANES + 3u, end));
    most0 = max(most0, s0_0_3);
    s0_1_0 = select(LOWEST, s0_1_0, seen(first + lane + 0u * LANES, block + 1u * LANES + 0u, end));
    most0 = max(most0, s0_1_0);
    s0_1_1 = select(LOWEST, s0_1_1, seen(first + lane + 0u * LANES, block + 1u * LANES + 1u, end));
    most0 = max(most0, s0_1_1);
    s0_1_2 = select(LOWEST, s0_1_2, seen(first + lane + 0u * LANES, block + 1u * LANES + 2u, end));
    most0 = max(most0, s0_1_2);
    s0_1_3 = select(LOWEST, s0_1_3, seen(first + lane + 0u * LANES, block + 1u * LANES + 3u, end));
    most0 = max(most0, s0_1_3);
    let shrink0 = exp2(highest0 - most0);
    highest0 = most0;
    total0 *= shrink0;
    let p0_0_0 = exp2(s0_0_0 - most0);
    total0 += p0_0_0;
    let p0_0_1 = exp2(s0_0_1 - most0);
    total0 += p0_0_1;
    let p0_0_2 = exp2(s0_0_2 - most0);
    total0 += p0_0_2;
    let p0_0_3 = exp2(s0_0_3 - most0);
    total0 += p0_0_3;
    let p0_1_0 = exp2(s0_1_0 - most0);
    total0 += p0_1_0;
    let p0_1_1 = exp2(s0_1_1 - most0);
    total0 += p0_1_1;
    let p0_1_2 = exp2(s0_1_2 - most0);
    total0 += p0_1_2;
    let p0_1_3 = exp2(s0_1_3 - most0);
    total0 += p0_1_3;
    for (var d = 0u; d < span; d += UNROLL) {
      {
        var sum0 = sums[(d + 0u) * ROWS_PER_LANE + 0u] * shrink0;
        let v0 = load_qkv(v_at0 + d + 0u);
        let v0_0 = subgroupBroadcast(v0, 0u);
        sum0 += p0_0_0 * v0_0;
        let v0_1 = subgroupBroadcast(v0, 1u);
        sum0 += p0_0_1 * v0_1;
        let v0_2 = subgroupBroadcast(v0, 2u);
        sum0 += p0_0_2 * v0_2;
        let v0_3 = subgroupBroadcast(v0, 3u);
        sum0 += p0_0_3 * v0_3;
        let v1 = load_qkv(v_at1 + d + 0u);
        let v1_0 = subgroupBroadcast(v1, 0u);
        sum0 += p0_1_0 * v1_0;
        let v1_1 = subgroupBroadcast(v1, 1u);
        sum0 += p0_1_1 * v1_1;
        let v1_2 = subgroupBroadcast(v1, 2u);
        sum0 += p0_1_2 * v1_2;
        let v1_3 = subgroupBroadcast(v1, 3u);
        sum0 += p0_1_3 * v1_3;
        sums[(d + 0u) * ROWS_PER_LANE + 0u] = sum0;
      }
    }
  }
  var factors: array<f32, ROWS_PER_LANE>;
  var logs: array<f32, ROWS_PER_LANE>;
  total0 = sum_under(highest0, total0);
  factors[0] = 1.0 / total0;
  logs[0] = select((highest0 + log2(total0)) * LN_2, total0, is_nan(total0));
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = o_row(batch, token, head);
      for (var d = 0u; d < span; d++) { store_o(at + d, sums[d * ROWS_PER_LANE + r] * factors[r]); }
      lse[scalar_at(batch, token, head)] = logs[r];
    }
  }
}
