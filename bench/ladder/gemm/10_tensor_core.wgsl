// Subgroup matrices (tensor cores): EDGE x EDGE x EDGE products of float16 with sums in float32, one instruction a subgroup.
// Four subgroups of LANES, two by two, compute 128 x 128 results; each holds SIDE x SIDE matrices of sums, so that a fragment
// which is read from workgroup memory is multiplied SIDE times. Operands are staged as they lie in storage, 16 bytes at a
// time, with 16 bytes of padding a row against bank conflicts, and fetched one step ahead.
// EDGE and LANES are the adapter's, 16 and 32 on many.

enable subgroups;
enable f16;
enable chromium_experimental_subgroup_matrix;

@group(0) @binding(0) var<storage, read> a: array<vec4u>;
@group(0) @binding(1) var<storage, read> b: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

alias Left = subgroup_matrix_left<f16, EDGE, EDGE>;
alias Right = subgroup_matrix_right<f16, EDGE, EDGE>;
alias Sum = subgroup_matrix_result<f32, EDGE, EDGE>;

const STEP = 32u;
const SIDE = 64u / EDGE;
const INVOCATIONS = 4u * LANES;
// Units that an invocation fetches of each operand in a step.
const FETCHES = 128u * STEP / 8u / INVOCATIONS;
// Units of eight halves: in a row of A, of B, and of the stages, which have one more for padding.
const DEPTH = K / 8u;
const ROW = N / 8u;
const STRIDE_A = STEP / 8u + 1u;
const STRIDE_B = 128u / 8u + 1u;

var<workgroup> stage_a: array<vec4u, 128u * STRIDE_A>;
var<workgroup> stage_b: array<vec4u, STEP * STRIDE_B>;

fn fetch_a(row0: u32, k0: u32, unit: u32) -> vec4u { return a[(row0 + unit / 4u) * DEPTH + k0 / 8u + unit % 4u]; }
fn fetch_b(column0: u32, k0: u32, unit: u32) -> vec4u { return b[(k0 + unit / 16u) * ROW + column0 / 8u + unit % 16u]; }

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let row0 = group.y * 128u;
  let column0 = group.x * 128u;
  let part_row = subgroup / 2u * 64u;
  let part_column = subgroup % 2u * 64u;
  var sums: array<array<Sum, SIDE>, SIDE>;
  var next_a: array<vec4u, FETCHES>;
  var next_b: array<vec4u, FETCHES>;
  for (var i = 0u; i < FETCHES; i++) {
    next_a[i] = fetch_a(row0, 0u, index + i * INVOCATIONS);
    next_b[i] = fetch_b(column0, 0u, index + i * INVOCATIONS);
  }
  for (var k0 = 0u; k0 < K; k0 += STEP) {
    workgroupBarrier();
    for (var i = 0u; i < FETCHES; i++) {
      let unit = index + i * INVOCATIONS;
      stage_a[unit / 4u * STRIDE_A + unit % 4u] = next_a[i];
      stage_b[unit / 16u * STRIDE_B + unit % 16u] = next_b[i];
    }
    workgroupBarrier();
    if (k0 + STEP < K) {
      for (var i = 0u; i < FETCHES; i++) {
        next_a[i] = fetch_a(row0, k0 + STEP, index + i * INVOCATIONS);
        next_b[i] = fetch_b(column0, k0 + STEP, index + i * INVOCATIONS);
      }
    }
    for (var k = 0u; k < STEP; k += EDGE) {
      var right: array<Right, SIDE>;
      for (var j = 0u; j < SIDE; j++) {
        right[j] = subgroupMatrixLoad<Right, row_major>(&stage_b, k * STRIDE_B + (part_column + j * EDGE) / 8u, STRIDE_B);
      }
      for (var i = 0u; i < SIDE; i++) {
        let left = subgroupMatrixLoad<Left, row_major>(&stage_a, (part_row + i * EDGE) * STRIDE_A + k / 8u, STRIDE_A);
        for (var j = 0u; j < SIDE; j++) { sums[i][j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i][j]); }
      }
    }
  }
  for (var i = 0u; i < SIDE; i++) {
    for (var j = 0u; j < SIDE; j++) {
      let at = (row0 + part_row + i * EDGE) * N + column0 + part_column + j * EDGE;
      subgroupMatrixStore<row_major>(&c, at, sums[i][j], N);
    }
  }
}
