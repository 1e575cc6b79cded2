// What the kernels of attention on subgroup matrices share: types, workgroup memory, and loads; included by them. The steps
// of their entry points are files of their own, included with the names of their operands.

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
const OWN = 4u * MAT_M;
// In units of eight halves: a row of a head, a row of the stage. In quads of values: a row of the weights, and of a strip.
const UNITS = 8u;
const STAGE = UNITS + 1u;
const WEIGHTS = BLOCK / 4u + 2u;
const STRIP = BLOCK / 4u + 1u;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;

// The rows that the workgroup owns, for as long as they are loaded; then a block of two of q, k, v and do, one after the other.
var<workgroup> stage: array<vec4u, max(OWN, 2u * BLOCK) * STAGE>;
var<workgroup> strips: array<vec4f, OWN * STRIP>;
var<workgroup> weights: array<vec2u, OWN * WEIGHTS>;

fn stage_qkv(index: u32, row: u32, count: u32, batch: u32, first: u32, part: u32, head: u32) {
  for (var i = index; i < count * UNITS; i += INVOCATIONS) {
    let at = qkv_row(batch, first + i / UNITS, part, head) + i % UNITS * 2u;
    stage[(row + i / UNITS) * STAGE + i % UNITS] = vec4u(qkv[at], qkv[at + 1u]);
  }
}

//#if BACKWARD
fn stage_d_o(index: u32, row: u32, count: u32, batch: u32, first: u32, head: u32) {
  for (var i = index; i < count * UNITS; i += INVOCATIONS) {
    let at = o_row(batch, first + i / UNITS, head) + i % UNITS * 2u;
    stage[(row + i / UNITS) * STAGE + i % UNITS] = vec4u(d_o[at], d_o[at + 1u]);
  }
}
//#endif

// Four weights of a row.
fn store_weights(row: u32, quad: u32, w: vec4f) {
  weights[row * WEIGHTS + quad] = bitcast<vec2u>(vec4<f16>(w));
}

//#if PARTS_SHARE
fn add_parts(x: f32) -> f32 {
  var sum = x;
  for (var step = 1u; step < PARTS; step *= 2u) { sum += subgroupShuffleXor(sum, step); }
  return sum;
}

fn max_parts(x: f32) -> f32 {
  var most = x;
  for (var step = 1u; step < PARTS; step *= 2u) { most = max(most, subgroupShuffleXor(most, step)); }
  return most;
}
//#else
fn add_parts(x: f32) -> f32 { return x; }
fn max_parts(x: f32) -> f32 { return x; }
//#endif
