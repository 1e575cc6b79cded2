enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = false;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = true;
const BACKWARD: bool = true;
const LANES: u32 = 4u;
const ROWS_PER_LANE: u32 = 1u;
const BLOCK_ROWS_PER_LANE: u32 = 1u;
const UNROLL: u32 = 1u;
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
const TILE = ROWS_PER_LANE * LANES;
const BLOCK = BLOCK_ROWS_PER_LANE * LANES;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;
fn seen(query: u32, key: u32, end: u32) -> bool {
  return (key < end) & (!CAUSAL | (key <= query));
}
@compute @workgroup_size(LANES)
fn backward_dkv(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let rows = min(ROWS_PER_LANE, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var k: array<vec4f, ROWS_PER_LANE * HEAD>;
  var v: array<vec4f, ROWS_PER_LANE * HEAD>;
  var k_sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  var v_sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 1u, head);
    for (var d = 0u; d < span; d++) {
      k[d * ROWS_PER_LANE + r] = load_qkv(at + d) * (SCALE * LOG2_E);
      v[d * ROWS_PER_LANE + r] = load_qkv(at + HEADS * HEAD + d);
    }
  }
  for (var block = select(0u, first, CAUSAL); block < TOKENS; block += BLOCK) {
    let q_at0 = qkv_row(batch, block + 0u * LANES + lane, 0u, head);
    let o_at0 = o_row(batch, block + 0u * LANES + lane, head);
    var s0_0_0 = 0.0;
    var dp0_0_0 = 0.0;
    var s0_0_1 = 0.0;
    var dp0_0_1 = 0.0;
    var s0_0_2 = 0.0;
    var dp0_0_2 = 0.0;
    var s0_0_3 = 0.0;
    var dp0_0_3 = 0.0;
    for (var d = 0u; d < span; d += UNROLL) {
      {
        let k0 = k[(d + 0u) * ROWS_PER_LANE + 0u];
        let v0 = v[(d + 0u) * ROWS_PER_LANE + 0u];
        let q0 = load_qkv(q_at0 + d + 0u);
        let output_gradient0 = load_d_o(o_at0 + d + 0u);
        let q0_0 = subgroupBroadcast(q0, 0u);
        let output_gradient0_0 = subgroupBroadcast(output_gradient0, 0u);
        s0_0_0 += dot(k0, q0_0);
        dp0_0_0 += dot(v0, output_gradient0_0);
        let q0_1 = subgroupBroadcast(q0, 1u);
        let output_gradient0_1 = subgroupBroadcast(output_gradient0, 1u);
        s0_0_1 += dot(k0, q0_1);
        dp0_0_1 += dot(v0, output_gradient0_1);
        let q0_2 = subgroupBroadcast(q0, 2u);
        let output_gradient0_2 = subgroupBroadcast(output_gradient0, 2u);
        s0_0_2 += dot(k0, q0_2);
        dp0_0_2 += dot(v0, output_gradient0_2);
        let q0_3 = subgroupBroadcast(q0, 3u);
        let output_gradient0_3 = subgroupBroadcast(output_gradient0, 3u);
        s0_0_3 += dot(k0, q0_3);
        dp0_0_3 += dot(v0, output_gradient0_3);
      }
    }
    let scalars0 = scalar_at(batch, block + 0u * LANES + lane, head);
    let log0 = lse[scalars0] * LOG2_E;
    let delta0 = delta[scalars0];
    let query0_0 = block + 0u * LANES + 0u;
    let log0_0 = subgroupBroadcast(log0, 0u);
    let delta0_0 = subgroupBroadcast(delta0, 0u);
    let seen0_0_0 = (query0_0 < TOKENS) & seen(query0_0, first + lane + 0u * LANES, TOKENS);
    let p0_0_0 = select(0.0, exp2(s0_0_0 - log0_0), seen0_0_0);
    let ds0_0_0 = p0_0_0 * (dp0_0_0 - delta0_0) * SCALE;
    let query0_1 = block + 0u * LANES + 1u;
    let log0_1 = subgroupBroadcast(log0, 1u);
    let delta0_1 = subgroupBroadcast(delta0, 1u);
    let seen0_0_1 = (query0_1 < TOKENS) & seen(query0_1, first + lane + 0u * LANES, TOKENS);
    let p0_0_1 = select(0.0, exp2(s0_0_1 - log0_1), seen0_0_1);
    let ds0_0_1 = p0_0_1 * (dp0_0_1 - delta0_1) * SCALE;
    let query0_2 = block + 0u * LANES + 2u;
    let log0_2 = subgroupBroadcast(log0, 2u);
    let delta0_2 = subgroupBroadcast(delta0, 2u);
    let seen0_0_2 = (query0_2 < TOKENS) & seen(query0_2, first + lane + 0u * LANES, TOKENS);
    let p0_0_2 = select(0.0, exp2(s0_0_2 - log0_2), seen0_0_2);
    let ds0_0_2 = p0_0_2 * (dp0_0_2 - delta0_2) * SCALE;
    let query0_3 = block + 0u * LANES + 3u;
    let log0_3 = subgroupBroadcast(log0, 3u);
    let delta0_3 = subgroupBroadcast(delta0, 3u);
    let seen0_0_3 = (query0_3 < TOKENS) & seen(query0_3, first + lane + 0u * LANES, TOKENS);
    let p0_0_3 = select(0.0, exp2(s0_0_3 - log0_3), seen0_0_3);
    let ds0_0_3 = p0_0_3 * (dp0_0_3 - delta0_3) * SCALE;
    for (var d = 0u; d < span; d += UNROLL) {
      {
        var k_sum0 = k_sums[(d + 0u) * ROWS_PER_LANE + 0u];
        var v_sum0 = v_sums[(d + 0u) * ROWS_PER_LANE + 0u];
        let q0 = load_qkv(q_at0 + d + 0u);
        let output_gradient0 = load_d_o(o_at0 + d + 0u);
        let q0_0 = subgroupBroadcast(q0, 0u);
        let output_gradient0_0 = subgroupBroadcast(output_gradient0, 0u);
        k_sum0 += ds0_0_0 * q0_0;
        v_sum0 += p0_0_0 * output_gradient0_0;
        let q0_1 = subgroupBroadcast(q0, 1u);
        let output_gradient0_1 = subgroupBroadcast(output_gradient0, 1u);
        k_sum0 += ds0_0_1 * q0_1;
        v_sum0 += p0_0_1 * output_gradient0_1;
        let q0_2 = subgroupBroadcast(q0, 2u);
        let output_gradient0_2 = subgroupBroadcast(output_gradient0, 2u);
        k_sum0 += ds0_0_2 * q0_2;
        v_sum0 += p0_0_2 * output_gradient0_2;
        let q0_3 = subgroupBroadcast(q0, 3u);
        let output_gradient0_3 = subgroupBroadcast(output_gradient0, 3u);
        k_sum0 += ds0_0_3 * q0_3;
        v_sum0 += p0_0_3 * output_gradient0_3;
        k_sums[(d + 0u) * ROWS_PER_LANE + 0u] = k_sum0;
        v_sums[(d + 0u) * ROWS_PER_LANE + 0u] = v_sum0;
      }
    }
  }
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 1u, head);
      for (var d = 0u; d < span; d++) {
        store_d_qkv(at + d, k_sums[d * ROWS_PER_LANE + r]);
        store_d_qkv(at + HEADS * HEAD + d, v_sums[d * ROWS_PER_LANE + r]);
      }
    }
  }
}
