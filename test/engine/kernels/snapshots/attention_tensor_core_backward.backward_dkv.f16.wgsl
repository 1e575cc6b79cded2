enable subgroups;
enable f16;
enable chromium_experimental_subgroup_matrix;
enable subgroup_size_control;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = true;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = true;
const BACKWARD: bool = true;
const BLOCK: u32 = 32u;
const MAT_M: u32 = 16u;
const MAT_N: u32 = 16u;
const MAT_K: u32 = 16u;
const LANES: u32 = 64u;
const PINNED: bool = true;
const LANES_PER_ROW: u32 = 4u;
const ROW_IS_SHARED: bool = true;
const VECTORS_PER_LANE: u32 = 2u;
const K_FRAGMENTS: u32 = 4u;
const N_FRAGMENTS: u32 = 2u;
const WEIGHT_FRAGMENTS: u32 = 2u;
const BLOCKS_PER_HEAD: u32 = 2u;
@group(0) @binding(0) var<storage, read> qkv: array<vec2u>;
fn load_qkv(i: u32) -> vec4f { return vec4f(unpack2x16float(qkv[i].x), unpack2x16float(qkv[i].y)); }
@group(0) @binding(1) var<storage, read> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
@group(0) @binding(2) var<storage, read> d_o: array<vec2u>;
fn load_d_o(i: u32) -> vec4f { return vec4f(unpack2x16float(d_o[i].x), unpack2x16float(d_o[i].y)); }
@group(0) @binding(3) var<storage, read> delta: array<f32>;
fn load_delta(i: u32) -> f32 { return delta[i]; }
@group(0) @binding(4) var<storage, read_write> d_qkv: array<vec2u>;
fn load_d_qkv(i: u32) -> vec4f { return vec4f(unpack2x16float(d_qkv[i].x), unpack2x16float(d_qkv[i].y)); }
fn store_d_qkv(i: u32, v: vec4f) { d_qkv[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
struct Uniforms { TOKENS: u32, HEADS: u32 }
@group(0) @binding(5) var<uniform> uniforms: Uniforms;
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
  return ((batch * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u)) * 3u + part) * uniforms.HEADS * HEAD + head * HEAD;
}
fn o_row(batch: u32, token: u32, head: u32) -> u32 {
  return ((batch * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u)) * uniforms.HEADS + head) * HEAD;
}
fn scalar_at(batch: u32, token: u32, head: u32) -> u32 {
  return (batch * uniforms.HEADS + head) * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u);
}
alias Left = subgroup_matrix_left<f16, MAT_K, MAT_M>;
alias Right = subgroup_matrix_right<f16, MAT_N, MAT_K>;
alias Sum = subgroup_matrix_result<f32, MAT_N, MAT_M>;
const INVOCATIONS = 4u * LANES;
const TILE = 4u * MAT_M;
const ROW_UNITS = 8u;
const SHARED_STRIDE = ROW_UNITS + 1u;
const WEIGHTS_STRIDE = BLOCK / 4u + 2u;
const SCORES_STRIDE = BLOCK / 4u + 1u;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;
var<workgroup> shared_rows: array<vec4u, max(TILE, 2u * BLOCK) * SHARED_STRIDE>;
var<workgroup> scores: array<vec4f, TILE * SCORES_STRIDE>;
var<workgroup> weights: array<vec2u, TILE * WEIGHTS_STRIDE>;
fn load_shared_qkv(index: u32, row: u32, count: u32, batch: u32, first: u32, part: u32, head: u32) {
  for (var i = index; i < count * ROW_UNITS; i += INVOCATIONS) {
    let at = qkv_row(batch, first + i / ROW_UNITS, part, head) + i % ROW_UNITS * 2u;
    shared_rows[(row + i / ROW_UNITS) * SHARED_STRIDE + i % ROW_UNITS] = vec4u(qkv[at], qkv[at + 1u]);
  }
}
fn load_shared_d_o(index: u32, row: u32, count: u32, batch: u32, first: u32, head: u32) {
  for (var i = index; i < count * ROW_UNITS; i += INVOCATIONS) {
    let at = o_row(batch, first + i / ROW_UNITS, head) + i % ROW_UNITS * 2u;
    shared_rows[(row + i / ROW_UNITS) * SHARED_STRIDE + i % ROW_UNITS] = vec4u(d_o[at], d_o[at + 1u]);
  }
}
fn store_weights(row: u32, quad: u32, w: vec4f) {
  weights[row * WEIGHTS_STRIDE + quad] = bitcast<vec2u>(vec4<f16>(w));
}
fn sum_over_row(x: f32) -> f32 {
  var sum = x;
  for (var step = 1u; step < LANES_PER_ROW; step *= 2u) { sum += subgroupShuffleXor(sum, step); }
  return sum;
}
fn max_over_row(x: f32) -> f32 {
  var most = x;
  for (var step = 1u; step < LANES_PER_ROW; step *= 2u) { most = max(most, subgroupShuffleXor(most, step)); }
  return most;
}
var<workgroup> logs: array<f32, BLOCK>;
var<workgroup> deltas: array<f32, BLOCK>;
@subgroup_size(LANES)
@compute @workgroup_size(INVOCATIONS)
fn backward_dkv(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let subgroup_row = subgroup * MAT_M;
  let row = subgroup_row + lane / LANES_PER_ROW;
  let token = first + row;
  let row_lane = lane % LANES_PER_ROW;
  load_shared_qkv(index, 0u, TILE, batch, first, 1u, head);
  workgroupBarrier();
  let k0 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE);
  let k1 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE);
  let k2 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE);
  let k3 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE);
  workgroupBarrier();
  load_shared_qkv(index, 0u, TILE, batch, first, 2u, head);
  workgroupBarrier();
  let v0 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE);
  let v1 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE);
  let v2 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE);
  let v3 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE);
  workgroupBarrier();
  var dk0_0: Sum;
  var dv0_0: Sum;
  var dk0_1: Sum;
  var dv0_1: Sum;
  var dk1_0: Sum;
  var dv1_0: Sum;
  var dk1_1: Sum;
  var dv1_1: Sum;
  for (var block = select(0u, first / BLOCK * BLOCK, CAUSAL); block < uniforms.TOKENS; block += BLOCK) {
    workgroupBarrier();
    load_shared_qkv(index, 0u, BLOCK, batch, block, 0u, head);
    load_shared_d_o(index, BLOCK, BLOCK, batch, block, head);
    for (var i = index; i < BLOCK; i += INVOCATIONS) {
      let at = scalar_at(batch, block + i, head);
      logs[i] = lse[at] * LOG2_E;
      deltas[i] = delta[at];
    }
    workgroupBarrier();
    {
      var s0 = Sum();
      s0 = subgroupMatrixMultiplyAccumulate(
        k0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        k1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        k2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        k3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, s0, SCORES_STRIDE);
      var s1 = Sum();
      s1 = subgroupMatrixMultiplyAccumulate(
        k0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        k1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        k2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        k3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, s1, SCORES_STRIDE);
    }
    workgroupBarrier();
    let at0 = row_lane * VECTORS_PER_LANE + 0u;
    let query0 = vec4u(block + 4u * at0) + vec4u(0u, 1u, 2u, 3u);
    let log0 = vec4f(logs[4u * at0], logs[4u * at0 + 1u], logs[4u * at0 + 2u], logs[4u * at0 + 3u]);
    let inside0 = (query0 < vec4u(uniforms.TOKENS)) & (vec4u(select(0u, token, CAUSAL)) <= query0);
    let p0 = select(vec4f(0.0), exp2(scores[row * SCORES_STRIDE + at0] * (SCALE * LOG2_E) - log0), inside0);
    store_weights(row, at0, p0);
    let at1 = row_lane * VECTORS_PER_LANE + 1u;
    let query1 = vec4u(block + 4u * at1) + vec4u(0u, 1u, 2u, 3u);
    let log1 = vec4f(logs[4u * at1], logs[4u * at1 + 1u], logs[4u * at1 + 2u], logs[4u * at1 + 3u]);
    let inside1 = (query1 < vec4u(uniforms.TOKENS)) & (vec4u(select(0u, token, CAUSAL)) <= query1);
    let p1 = select(vec4f(0.0), exp2(scores[row * SCORES_STRIDE + at1] * (SCALE * LOG2_E) - log1), inside1);
    store_weights(row, at1, p1);
    workgroupBarrier();
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 0u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (BLOCK + 0u * MAT_K) * SHARED_STRIDE;
      dv0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dv0_0,
      );
      dv0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dv0_1,
      );
      dv1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dv1_0,
      );
      dv1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dv1_1,
      );
    }
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 1u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (BLOCK + 1u * MAT_K) * SHARED_STRIDE;
      dv0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dv0_0,
      );
      dv0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dv0_1,
      );
      dv1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dv1_0,
      );
      dv1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dv1_1,
      );
    }
    {
      var s0 = Sum();
      s0 = subgroupMatrixMultiplyAccumulate(
        v0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 0u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        v1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 0u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        v2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 0u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        v3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 0u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, s0, SCORES_STRIDE);
      var s1 = Sum();
      s1 = subgroupMatrixMultiplyAccumulate(
        v0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 1u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        v1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 1u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        v2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 1u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        v3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (BLOCK + 1u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, s1, SCORES_STRIDE);
    }
    workgroupBarrier();
    {
      let at = 4u * at0;
      let delta_of = vec4f(deltas[at], deltas[at + 1u], deltas[at + 2u], deltas[at + 3u]);
      store_weights(row, at0, p0 * (scores[row * SCORES_STRIDE + at0] - delta_of) * SCALE);
    }
    {
      let at = 4u * at1;
      let delta_of = vec4f(deltas[at], deltas[at + 1u], deltas[at + 2u], deltas[at + 3u]);
      store_weights(row, at1, p1 * (scores[row * SCORES_STRIDE + at1] - delta_of) * SCALE);
    }
    workgroupBarrier();
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 0u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (0u + 0u * MAT_K) * SHARED_STRIDE;
      dk0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dk0_0,
      );
      dk0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dk0_1,
      );
      dk1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dk1_0,
      );
      dk1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dk1_1,
      );
    }
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 1u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (0u + 1u * MAT_K) * SHARED_STRIDE;
      dk0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dk0_0,
      );
      dk0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dk0_1,
      );
      dk1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        dk1_0,
      );
      dk1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        dk1_1,
      );
    }
  }
  let dk_at = qkv_row(batch, token, 1u, head);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, dk0_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, dk0_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_d_qkv(dk_at + 0u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, dk1_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, dk1_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_d_qkv(dk_at + 1u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
  let dv_at = qkv_row(batch, token, 2u, head);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, dv0_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, dv0_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_d_qkv(dv_at + 0u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, dv1_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, dv1_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_d_qkv(dv_at + 1u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
}
