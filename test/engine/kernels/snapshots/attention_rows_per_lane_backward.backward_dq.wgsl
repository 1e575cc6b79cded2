enable subgroups;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = false;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = true;
const BACKWARD_DKV: bool = false;
const BACKWARD: bool = true;
const LANES: u32 = 4u;
const ROWS_PER_LANE: u32 = 1u;
const BLOCK_ROWS_PER_LANE: u32 = 1u;
const UNROLL: u32 = 1u;
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
const TILE = ROWS_PER_LANE * LANES;
const BLOCK = BLOCK_ROWS_PER_LANE * LANES;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;
fn seen(query: u32, key: u32, end: u32) -> bool {
  return (key < end) & (!CAUSAL | (key <= query));
}
@compute @workgroup_size(LANES)
fn backward_dq(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let rows = min(ROWS_PER_LANE, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var q: array<vec4f, ROWS_PER_LANE * HEAD>;
  var output_gradients: array<vec4f, ROWS_PER_LANE * HEAD>;
  var sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  var deltas: array<f32, ROWS_PER_LANE>;
  var logs: array<f32, ROWS_PER_LANE>;
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    let q_at = qkv_row(batch, token, 0u, head);
    let o_at = o_row(batch, token, head);
    var products = 0.0;
    for (var d = 0u; d < span; d++) {
      let output_gradient = load_d_o(o_at + d);
      q[d * ROWS_PER_LANE + r] = load_qkv(q_at + d) * (SCALE * LOG2_E);
      output_gradients[d * ROWS_PER_LANE + r] = output_gradient;
      products += dot(output_gradient, load_o(o_at + d));
    }
    deltas[r] = products;
    logs[r] = lse[scalar_at(batch, token, head)] * LOG2_E;
    if (token < TOKENS) { delta[scalar_at(batch, token, head)] = products; }
  }
  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    let k_at0 = qkv_row(batch, block + 0u * LANES + lane, 1u, head);
    let v_at0 = qkv_row(batch, block + 0u * LANES + lane, 2u, head);
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
        let q0 = q[(d + 0u) * ROWS_PER_LANE + 0u];
        let output_gradient0 = output_gradients[(d + 0u) * ROWS_PER_LANE + 0u];
        let k0 = load_qkv(k_at0 + d + 0u);
        let v0 = load_qkv(v_at0 + d + 0u);
        let k0_0 = subgroupBroadcast(k0, 0u);
        let v0_0 = subgroupBroadcast(v0, 0u);
        s0_0_0 += dot(q0, k0_0);
        dp0_0_0 += dot(output_gradient0, v0_0);
        let k0_1 = subgroupBroadcast(k0, 1u);
        let v0_1 = subgroupBroadcast(v0, 1u);
        s0_0_1 += dot(q0, k0_1);
        dp0_0_1 += dot(output_gradient0, v0_1);
        let k0_2 = subgroupBroadcast(k0, 2u);
        let v0_2 = subgroupBroadcast(v0, 2u);
        s0_0_2 += dot(q0, k0_2);
        dp0_0_2 += dot(output_gradient0, v0_2);
        let k0_3 = subgroupBroadcast(k0, 3u);
        let v0_3 = subgroupBroadcast(v0, 3u);
        s0_0_3 += dot(q0, k0_3);
        dp0_0_3 += dot(output_gradient0, v0_3);
      }
    }
    let ds0_0_0 = select(
      0.0,
      exp2(s0_0_0 - logs[0]) * (dp0_0_0 - deltas[0]) * SCALE,
      seen(first + lane + 0u * LANES, block + 0u * LANES + 0u, end),
    );
    let ds0_0_1 = select(
      0.0,
      exp2(s0_0_1 - logs[0]) * (dp0_0_1 - deltas[0]) * SCALE,
      seen(first + lane + 0u * LANES, block + 0u * LANES + 1u, end),
    );
    let ds0_0_2 = select(
      0.0,
      exp2(s0_0_2 - logs[0]) * (dp0_0_2 - deltas[0]) * SCALE,
      seen(first + lane + 0u * LANES, block + 0u * LANES + 2u, end),
    );
    let ds0_0_3 = select(
      0.0,
      exp2(s0_0_3 - logs[0]) * (dp0_0_3 - deltas[0]) * SCALE,
      seen(first + lane + 0u * LANES, block + 0u * LANES + 3u, end),
    );
    for (var d = 0u; d < span; d += UNROLL) {
      {
        var sum0 = sums[(d + 0u) * ROWS_PER_LANE + 0u];
        let k0 = load_qkv(k_at0 + d + 0u);
        let k0_0 = subgroupBroadcast(k0, 0u);
        sum0 += ds0_0_0 * k0_0;
        let k0_1 = subgroupBroadcast(k0, 1u);
        sum0 += ds0_0_1 * k0_1;
        let k0_2 = subgroupBroadcast(k0, 2u);
        sum0 += ds0_0_2 * k0_2;
        let k0_3 = subgroupBroadcast(k0, 3u);
        sum0 += ds0_0_3 * k0_3;
        sums[(d + 0u) * ROWS_PER_LANE + 0u] = sum0;
      }
    }
  }
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 0u, head);
      for (var d = 0u; d < span; d++) { store_d_qkv(at + d, sums[d * ROWS_PER_LANE + r]); }
    }
  }
}
