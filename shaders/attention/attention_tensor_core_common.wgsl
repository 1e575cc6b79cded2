// What the tensor-core kernels of attention share: types, workgroup memory and loads; included by them. The steps of their entry points
// are files of their own, included with the names of their operands.
//
// Constants, beside those of attention_layout.wgsl:
//   BLOCK                  rows of the streamed side in a block
//   MAT_M, MAT_N, MAT_K    a subgroup matrix, elements
//   LANES                  of a subgroup; PINNED: the adapter has several sizes, and this one is asked for
//   LANES_PER_ROW          LANES / MAT_M; ROW_IS_SHARED: more than one
//   VECTORS_PER_LANE       vectors of four scores of a row that each of these lanes has: BLOCK / LANES_PER_ROW / 4
//   K_FRAGMENTS            matrices along a head: 64 / MAT_K
//   N_FRAGMENTS            matrices across a block: BLOCK / MAT_N
//   WEIGHT_FRAGMENTS       matrices along a block: BLOCK / MAT_K
//   BLOCKS_PER_HEAD        64 / BLOCK: sums of a head's columns are BLOCKS_PER_HEAD x N_FRAGMENTS matrices

enable subgroups;
enable f16;
enable chromium_experimental_subgroup_matrix;
//#if PINNED
enable subgroup_size_control;
//#endif

//#include attention_layout

alias Left = subgroup_matrix_left<f16, MAT_K, MAT_M>;
alias Right = subgroup_matrix_right<f16, MAT_N, MAT_K>;
alias Sum = subgroup_matrix_result<f32, MAT_N, MAT_M>;

const INVOCATIONS = 4u * LANES;
const TILE = 4u * MAT_M;
// A row of a head in units of 16 bytes. From one row to the next in workgroup memory: in such units, and for weights and scores in
// vectors of four.
const ROW_UNITS = 8u;
const SHARED_STRIDE = ROW_UNITS + 1u;
const WEIGHTS_STRIDE = BLOCK / 4u + 2u;
const SCORES_STRIDE = BLOCK / 4u + 1u;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;

// The rows of the tile until they are in registers; then blocks of two of q, k, v and do, one after the other.
var<workgroup> shared_rows: array<vec4u, max(TILE, 2u * BLOCK) * SHARED_STRIDE>;
var<workgroup> scores: array<vec4f, TILE * SCORES_STRIDE>;
var<workgroup> weights: array<vec2u, TILE * WEIGHTS_STRIDE>;

fn load_shared_qkv(index: u32, row: u32, count: u32, batch: u32, first: u32, part: u32, head: u32) {
  for (var i = index; i < count * ROW_UNITS; i += INVOCATIONS) {
    let at = qkv_row(batch, first + i / ROW_UNITS, part, head) + i % ROW_UNITS * 2u;
    shared_rows[(row + i / ROW_UNITS) * SHARED_STRIDE + i % ROW_UNITS] = vec4u(qkv[at], qkv[at + 1u]);
  }
}

//#if BACKWARD
fn load_shared_d_o(index: u32, row: u32, count: u32, batch: u32, first: u32, head: u32) {
  for (var i = index; i < count * ROW_UNITS; i += INVOCATIONS) {
    let at = o_row(batch, first + i / ROW_UNITS, head) + i % ROW_UNITS * 2u;
    shared_rows[(row + i / ROW_UNITS) * SHARED_STRIDE + i % ROW_UNITS] = vec4u(d_o[at], d_o[at + 1u]);
  }
}
//#endif

// Four weights of a row.
fn store_weights(row: u32, quad: u32, w: vec4f) {
  weights[row * WEIGHTS_STRIDE + quad] = bitcast<vec2u>(vec4<f16>(w));
}

//#if ROW_IS_SHARED
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
//#else
fn sum_over_row(x: f32) -> f32 { return x; }
fn max_over_row(x: f32) -> f32 { return x; }
//#endif
