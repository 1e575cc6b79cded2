// C[z, m, n] = sum over k of A[z, m, k] * B[z, k, n], and the epilogue; on subgroup matrices (tensor cores), sums in float32.
// EXPERIMENTAL: compiled by every test run, but chosen only on an adapter where it agreed with the reference.
//
// Four subgroups, two by two, compute TILE_M x TILE_N results; each holds FRAGMENTS_M x FRAGMENTS_N matrices of
// MAT_M x MAT_N sums in registers, so that a fragment that was loaded is multiplied several times. The workgroup walks over k
// in steps of STEP; the values of a step are staged in workgroup memory in the order of storage, and the layout of the
// matrix load (row or column major) does what a transposition would. A row of the stage is padded by one unit of 16 bytes,
// which puts the rows that a matrix load reads at once into different banks. The next step is fetched into registers
// before the multiplications of this one.
//   HALF    operands are float16 in storage, stage and matrices; a unit is 8 values
//   else    matrices of float32, operands of either type; a unit is 4 values
// The axis of A and of B that is contiguous in storage is a multiple of a unit. Rows and columns beyond the edge read the last
// ones and are not stored; what lies beyond K is staged as zeros.
//
// Sums have no elements in WGSL: they go through workgroup memory, MAT_M rows of each subgroup at a time, to be finished
// and stored by vectors.

enable subgroups;
enable chromium_experimental_subgroup_matrix;
//#if HALF
enable f16;
//#endif
//#if PINNED
enable subgroup_size_control;
//#endif

//#include matmul_epilogue

//#if HALF
alias Component = f16;
alias Unit = vec4u;
//#else
alias Component = f32;
alias Unit = vec4f;
//#endif
alias Left = subgroup_matrix_left<Component, MAT_K, MAT_M>;
alias Right = subgroup_matrix_right<Component, MAT_N, MAT_K>;
alias Sum = subgroup_matrix_result<f32, MAT_N, MAT_M>;

const INVOCATIONS = 4u * LANES;
const STEPS = (K + STEP - 1u) / STEP;
// Units in a row of the stage, and in all of it: rows are of k where the operand is stored along the other axis.
const ACROSS_A = select(STEP, TILE_M, A_TRANSPOSED) / UNIT;
const ACROSS_B = select(TILE_N, STEP, B_TRANSPOSED) / UNIT;
const COUNT_A = TILE_M * STEP / UNIT;
const COUNT_B = TILE_N * STEP / UNIT;
const STRIDE_A = ACROSS_A + 1u;
const STRIDE_B = ACROSS_B + 1u;
const COLUMNS = FRAGMENTS_N * MAT_N;
const STRIP = MAT_M * COLUMNS / 4u;

var<workgroup> stage_a: array<Unit, COUNT_A / ACROSS_A * STRIDE_A>;
var<workgroup> stage_b: array<Unit, COUNT_B / ACROSS_B * STRIDE_B>;
var<workgroup> strips: array<vec4f, 4u * STRIP>;

fn unit_a(at: u32) -> Unit {
  //#if HALF
  return vec4u(a[at / 4u], a[at / 4u + 1u]);
  //#else
  return load_a(at / 4u);
  //#endif
}

fn unit_b(at: u32) -> Unit {
  //#if HALF
  return vec4u(b[at / 4u], b[at / 4u + 1u]);
  //#else
  return load_b(at / 4u);
  //#endif
}

// Unit `unit` of the stage of A, for the step that begins at k.
fn fetch_a(z: u32, m0: u32, k: u32, unit: u32) -> Unit {
  let row = unit / ACROSS_A;
  let along = unit % ACROSS_A * UNIT;
  //#if A_TRANSPOSED
  let at = (z * K + min(k + row, K - 1u)) * M + min(m0 + along, M - UNIT);
  let inside = k + row < K;
  //#else
  let at = (z * M + min(m0 + row, M - 1u)) * K + min(k + along, K - UNIT);
  let inside = k + along < K;
  //#endif
  if (K % STEP != 0u && !inside) { return Unit(); }
  return unit_a(at);
}

fn fetch_b(z: u32, n0: u32, k: u32, unit: u32) -> Unit {
  let row = unit / ACROSS_B;
  let along = unit % ACROSS_B * UNIT;
  //#if B_TRANSPOSED
  let at = (z * N + min(n0 + row, N - 1u)) * K + min(k + along, K - UNIT);
  let inside = k + along < K;
  //#else
  let at = (z * K + min(k + row, K - 1u)) * N + min(n0 + along, N - UNIT);
  let inside = k + row < K;
  //#endif
  if (K % STEP != 0u && !inside) { return Unit(); }
  return unit_b(at);
}

//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(group);
  //#if FOLDED
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let n0 = tile.z * TILE_N;
  // Where this subgroup's part begins in the tile.
  let part_m = subgroup / 2u * (FRAGMENTS_M * MAT_M);
  let part_n = subgroup % 2u * COLUMNS;

  //#unroll i FRAGMENTS_M
  //#unroll j FRAGMENTS_N
  var sum$i_$j: Sum;
  //#end
  //#end

  //#unroll s FETCHES_A
  var next_a$s = fetch_a(z, m0, 0u, min(index + $s * INVOCATIONS, COUNT_A - 1u));
  //#end
  //#unroll s FETCHES_B
  var next_b$s = fetch_b(z, n0, 0u, min(index + $s * INVOCATIONS, COUNT_B - 1u));
  //#end
  for (var step = 0u; step < STEPS; step++) {
    workgroupBarrier();
    //#unroll s FETCHES_A
    if (COUNT_A % INVOCATIONS == 0u || index + $s * INVOCATIONS < COUNT_A) {
      let unit = index + $s * INVOCATIONS;
      stage_a[unit / ACROSS_A * STRIDE_A + unit % ACROSS_A] = next_a$s;
    }
    //#end
    //#unroll s FETCHES_B
    if (COUNT_B % INVOCATIONS == 0u || index + $s * INVOCATIONS < COUNT_B) {
      let unit = index + $s * INVOCATIONS;
      stage_b[unit / ACROSS_B * STRIDE_B + unit % ACROSS_B] = next_b$s;
    }
    //#end
    workgroupBarrier();
    if (step + 1u < STEPS) {
      //#unroll s FETCHES_A
      next_a$s = fetch_a(z, m0, (step + 1u) * STEP, min(index + $s * INVOCATIONS, COUNT_A - 1u));
      //#end
      //#unroll s FETCHES_B
      next_b$s = fetch_b(z, n0, (step + 1u) * STEP, min(index + $s * INVOCATIONS, COUNT_B - 1u));
      //#end
    }
    //#unroll q MULTIPLICATIONS
    {
      let k = $q * MAT_K;
      //#unroll j FRAGMENTS_N
      let n$j = part_n + $j * MAT_N;
      //#if B_TRANSPOSED
      let right$j = subgroupMatrixLoad<Right, col_major>(&stage_b, n$j * STRIDE_B + k / UNIT, STRIDE_B);
      //#else
      let right$j = subgroupMatrixLoad<Right, row_major>(&stage_b, k * STRIDE_B + n$j / UNIT, STRIDE_B);
      //#endif
      //#end
      //#unroll i FRAGMENTS_M
      let m$i = part_m + $i * MAT_M;
      //#if A_TRANSPOSED
      let left$i = subgroupMatrixLoad<Left, col_major>(&stage_a, k * STRIDE_A + m$i / UNIT, STRIDE_A);
      //#else
      let left$i = subgroupMatrixLoad<Left, row_major>(&stage_a, m$i * STRIDE_A + k / UNIT, STRIDE_A);
      //#endif
      //#unroll j FRAGMENTS_N
      sum$i_$j = subgroupMatrixMultiplyAccumulate(left$i, right$j, sum$i_$j);
      //#end
      //#end
    }
    //#end
  }

  //#unroll i FRAGMENTS_M
  workgroupBarrier();
  //#unroll j FRAGMENTS_N
  subgroupMatrixStore<row_major>(&strips, subgroup * STRIP + $j * MAT_N / 4u, sum$i_$j, COLUMNS / 4u);
  //#end
  workgroupBarrier();
  for (var at = lane; at < STRIP; at += LANES) {
    let m = m0 + part_m + $i * MAT_M + at / (COLUMNS / 4u);
    store(z, m, n0 + part_n + 4u * (at % (COLUMNS / 4u)), strips[subgroup * STRIP + at]);
  }
  //#end
}
