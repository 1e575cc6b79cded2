// C[z, m, n] = sum over k of A[z, m, k] * B[z, k, n], and the epilogue; on subgroup matrices (tensor cores), sums in float32.
//
// SUBGROUPS_M x SUBGROUPS_N subgroups compute TILE_M x TILE_N results; each holds FRAGMENTS_M x FRAGMENTS_N matrices of
// MAT_M x MAT_N sums in registers, so that a fragment that was loaded is multiplied several times. The workgroup walks over k
// in steps of STEP; the values of a step are staged in workgroup memory in the order of storage, and the layout of the
// matrix load (row or column major) does what a transposition would. A row of the stage is padded by one unit of 16 bytes,
// which puts the rows that a matrix load reads at once into different banks. The next step is fetched into registers
// before the multiplications of this one.
//   TWO_STAGES  the next step is staged while others still multiply this one: one barrier a step, and twice the memory
//   HALF        float16 in stage and matrices; a unit is 8 values. ROUND_A, ROUND_B: that operand is float32 in storage
//   else        matrices of float32, operands of either type; a unit is 4 values
// The axis of A and of B that is contiguous in storage is a multiple of a unit. Rows and columns beyond the edge read the last
// ones and are not stored; what lies beyond K is staged as zeros.
//
// Sums have no elements in WGSL: they go through workgroup memory, MAT_M rows of each subgroup at a time, to be finished
// and stored by vectors. These strips lie where the stage was: memory decides how many workgroups a GPU's core holds.

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

const INVOCATIONS = SUBGROUPS_M * SUBGROUPS_N * LANES;

//#include matmul_matrix_operand x=a X=A COUNT=M TILE=TILE_M
//#include matmul_matrix_operand x=b X=B COUNT=N TILE=TILE_N

const STAGE = STAGE_A + STAGE_B;
// Vectors of four sums in a row of a strip, from one row to the next (again in different banks), and in a whole strip.
const COLUMNS = FRAGMENTS_N * MAT_N;
const QUADS_ACROSS = COLUMNS / 4u;
const STRIDE_STRIP = QUADS_ACROSS + 1u;
const STRIP = MAT_M * STRIDE_STRIP;

var<workgroup> stage: array<Unit, max(select(1u, 2u, TWO_STAGES) * STAGE, SUBGROUPS_M * SUBGROUPS_N * STRIP)>;

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
  let part_m = subgroup / SUBGROUPS_N * (FRAGMENTS_M * MAT_M);
  let part_n = subgroup % SUBGROUPS_N * COLUMNS;

  //#unroll i FRAGMENTS_M
  //#unroll j FRAGMENTS_N
  var sum$i_$j: Sum;
  //#end
  //#end

  //#unroll s FETCHES_A
  var next_a$s = fetch_a(z, m0, 0u, min(index + $s * INVOCATIONS, UNITS_A - 1u));
  //#end
  //#unroll s FETCHES_B
  var next_b$s = fetch_b(z, n0, 0u, min(index + $s * INVOCATIONS, UNITS_B - 1u));
  //#end
  //#if TWO_STAGES
  //#unroll s FETCHES_A
  put_a(0u, index + $s * INVOCATIONS, next_a$s);
  //#end
  //#unroll s FETCHES_B
  put_b(STAGE_A, index + $s * INVOCATIONS, next_b$s);
  //#end
  workgroupBarrier();
  //#endif
  // Where in the array the stage of this step begins.
  var begin = 0u;
  for (var k0 = 0u; k0 < K; k0 += STEP) {
    let more = k0 + STEP < K;
    //#if TWO_STAGES
    //#else
    workgroupBarrier();
    //#unroll s FETCHES_A
    put_a(0u, index + $s * INVOCATIONS, next_a$s);
    //#end
    //#unroll s FETCHES_B
    put_b(STAGE_A, index + $s * INVOCATIONS, next_b$s);
    //#end
    workgroupBarrier();
    //#endif
    if (more) {
      //#unroll s FETCHES_A
      next_a$s = fetch_a(z, m0, k0 + STEP, min(index + $s * INVOCATIONS, UNITS_A - 1u));
      //#end
      //#unroll s FETCHES_B
      next_b$s = fetch_b(z, n0, k0 + STEP, min(index + $s * INVOCATIONS, UNITS_B - 1u));
      //#end
    }
    //#unroll q MULTIPLICATIONS
    {
      let k = $q * MAT_K;
      //#unroll j FRAGMENTS_N
      let n$j = part_n + $j * MAT_N;
      //#if ALONG_K_B
      let right$j = subgroupMatrixLoad<Right, col_major>(&stage, begin + STAGE_A + n$j * STRIDE_B + k / UNIT, STRIDE_B);
      //#else
      let right$j = subgroupMatrixLoad<Right, row_major>(&stage, begin + STAGE_A + k * STRIDE_B + n$j / UNIT, STRIDE_B);
      //#endif
      //#end
      //#unroll i FRAGMENTS_M
      let m$i = part_m + $i * MAT_M;
      //#if ALONG_K_A
      let left$i = subgroupMatrixLoad<Left, row_major>(&stage, begin + m$i * STRIDE_A + k / UNIT, STRIDE_A);
      //#else
      let left$i = subgroupMatrixLoad<Left, col_major>(&stage, begin + k * STRIDE_A + m$i / UNIT, STRIDE_A);
      //#endif
      //#unroll j FRAGMENTS_N
      sum$i_$j = subgroupMatrixMultiplyAccumulate(left$i, right$j, sum$i_$j);
      //#end
      //#end
    }
    //#end
    //#if TWO_STAGES
    begin = STAGE - begin;
    if (more) {
      //#unroll s FETCHES_A
      put_a(begin, index + $s * INVOCATIONS, next_a$s);
      //#end
      //#unroll s FETCHES_B
      put_b(begin + STAGE_A, index + $s * INVOCATIONS, next_b$s);
      //#end
    }
    workgroupBarrier();
    //#endif
  }

  //#unroll i FRAGMENTS_M
  workgroupBarrier();
  //#unroll j FRAGMENTS_N
  subgroupMatrixStore<row_major>(&stage, subgroup * STRIP + $j * MAT_N / 4u, sum$i_$j, STRIDE_STRIP);
  //#end
  workgroupBarrier();
  for (var quad = lane; quad < MAT_M * QUADS_ACROSS; quad += LANES) {
    let row = quad / QUADS_ACROSS;
    let column = quad % QUADS_ACROSS;
    let sums = bitcast<vec4f>(stage[subgroup * STRIP + row * STRIDE_STRIP + column]);
    store(z, m0 + part_m + $i * MAT_M + row, n0 + part_n + 4u * column, sums);
  }
  //#end
}
