enable subgroups;
enable f16;
enable chromium_experimental_subgroup_matrix;
enable subgroup_size_control;
const WORKGROUP: u32 = 64u;
const CAUSAL: bool = true;
const FORWARD: bool = true;
const STORE_LSE: bool = true;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = false;
const BACKWARD: bool = false;
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
@group(0) @binding(1) var<storage, read_write> o: array<vec2u>;
fn load_o(i: u32) -> vec4f { return vec4f(unpack2x16float(o[i].x), unpack2x16float(o[i].y)); }
fn store_o(i: u32, v: vec4f) { o[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
fn store_lse(i: u32, v: f32) { lse[i] = v; }
struct Uniforms { TOKENS: u32, HEADS: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
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
@subgroup_size(LANES)
@compute @workgroup_size(INVOCATIONS)
fn forward(
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
  load_shared_qkv(index, 0u, TILE, batch, first, 0u, head);
  workgroupBarrier();
  let q0 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE);
  let q1 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE);
  let q2 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE);
  let q3 = subgroupMatrixLoad<Left, row_major>(&shared_rows, subgroup_row * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE);
  workgroupBarrier();
  let end = select(uniforms.TOKENS, min(first + TILE, uniforms.TOKENS), CAUSAL);
  let seen = select(uniforms.TOKENS, min(token + 1u, uniforms.TOKENS), CAUSAL);
  var highest = LOWEST;
  var total = 0.0;
  for (var block = 0u; block < end; block += BLOCK) {
    load_shared_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    workgroupBarrier();
    {
      var s0 = Sum();
      s0 = subgroupMatrixMultiplyAccumulate(
        q0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, s0, SCORES_STRIDE);
      var s1 = Sum();
      s1 = subgroupMatrixMultiplyAccumulate(
        q0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, s1, SCORES_STRIDE);
    }
    workgroupBarrier();
    for (var c = 0u; c < VECTORS_PER_LANE; c++) {
      let at = row_lane * VECTORS_PER_LANE + c;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let s = select(vec4f(LOWEST), scores[row * SCORES_STRIDE + at] * (SCALE * LOG2_E), inside);
      let most = max(max(highest, max(s.x, s.y)), max(s.z, s.w));
      let p = select(vec4f(0.0), exp2(s - most), inside);
      total = total * exp2(highest - most) + (p.x + p.y + p.z + p.w);
      highest = most;
    }
  }
  let most = max_over_row(highest);
  let log_sum = most + log2(sum_over_row(total * exp2(highest - most)));
  if (row_lane == 0u && token < uniforms.TOKENS) { lse[scalar_at(batch, token, head)] = log_sum * LN_2; }
  var o0_0: Sum;
  var o0_1: Sum;
  var o1_0: Sum;
  var o1_1: Sum;
  for (var block = 0u; block < end; block += BLOCK) {
    workgroupBarrier();
    load_shared_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    load_shared_qkv(index, BLOCK, BLOCK, batch, block, 2u, head);
    workgroupBarrier();
    {
      var s0 = Sum();
      s0 = subgroupMatrixMultiplyAccumulate(
        q0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      s0 = subgroupMatrixMultiplyAccumulate(
        q3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 0u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s0,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, s0, SCORES_STRIDE);
      var s1 = Sum();
      s1 = subgroupMatrixMultiplyAccumulate(
        q0,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 0u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q1,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 1u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q2,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 2u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      s1 = subgroupMatrixMultiplyAccumulate(
        q3,
        subgroupMatrixLoad<Right, col_major>(&shared_rows, (0u + 1u * MAT_N) * SHARED_STRIDE + 3u * MAT_K / 8u, SHARED_STRIDE),
        s1,
      );
      subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, s1, SCORES_STRIDE);
    }
    workgroupBarrier();
    for (var c = 0u; c < VECTORS_PER_LANE; c++) {
      let at = row_lane * VECTORS_PER_LANE + c;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let p = exp2(scores[row * SCORES_STRIDE + at] * (SCALE * LOG2_E) - log_sum);
      store_weights(row, at, select(vec4f(0.0), p, inside));
    }
    workgroupBarrier();
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 0u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (BLOCK + 0u * MAT_K) * SHARED_STRIDE;
      o0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        o0_0,
      );
      o0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        o0_1,
      );
      o1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        o1_0,
      );
      o1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        o1_1,
      );
    }
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, subgroup_row * WEIGHTS_STRIDE + 1u * MAT_K / 4u, WEIGHTS_STRIDE);
      let at = (BLOCK + 1u * MAT_K) * SHARED_STRIDE;
      o0_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        o0_0,
      );
      o0_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (0u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        o0_1,
      );
      o1_0 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 0u * MAT_N) / 8u, SHARED_STRIDE),
        o1_0,
      );
      o1_1 = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&shared_rows, at + (1u * BLOCK + 1u * MAT_N) / 8u, SHARED_STRIDE),
        o1_1,
      );
    }
  }
  let o_at = o_row(batch, token, head);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, o0_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, o0_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_o(o_at + 0u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 0u * MAT_N / 4u, o1_0, SCORES_STRIDE);
  subgroupMatrixStore<row_major>(&scores, subgroup_row * SCORES_STRIDE + 1u * MAT_N / 4u, o1_1, SCORES_STRIDE);
  workgroupBarrier();
  for (var c = 0u; c < VECTORS_PER_LANE && token < uniforms.TOKENS; c++) {
    store_o(o_at + 1u * BLOCK / 4u + row_lane * VECTORS_PER_LANE + c, scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + c]);
  }
}
