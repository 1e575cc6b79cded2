// Tensor-core matmul, C[z, m, n] = sum over k of A[z, m, k] B[z, k, n], and the epilogue, on subgroup matrices with sums in float32.
//
// SUBGROUPS_M x SUBGROUPS_N subgroups compute TILE_M x TILE_N results; each holds FRAGMENTS_M x FRAGMENTS_N matrices of sums in
// registers, so that a fragment that was loaded is multiplied several times. The workgroup walks over k in steps of TILE_K, whose
// values lie in workgroup memory in the order of storage; the layout of the matrix load (row or column major) does what a
// transposition would. A row there is padded by one unit of 16 bytes, which puts the rows that a matrix load reads at once into
// different banks. The next step is fetched into registers before the multiplications of this one.
//
// Sums have no elements in WGSL: the epilogue takes them through workgroup memory, a strip of MAT_M rows of each subgroup at a
// time. Strips reuse the memory of the tiles, as memory decides how many workgroups a GPU's core holds.
//
// The axis of A and of B that is contiguous in storage is a multiple of a unit. Rows and columns beyond the edge read the last ones
// and are not stored; what lies beyond K is stored as zeros.
//
// Bindings, sizes and other constants: matmul_epilogue.wgsl; a and b are bound in units of 16 bytes.
// Constants:
//   TILE_M, TILE_N, TILE_K              tile of a workgroup, elements
//   SUBGROUPS_M, SUBGROUPS_N            subgroups down and across it
//   MAT_M, MAT_N, MAT_K                 a subgroup matrix, elements
//   FRAGMENTS_M, FRAGMENTS_N            matrices of sums that a subgroup holds, down and across
//   FRAGMENTS_K                         matrices in a step over k: TILE_K / MAT_K
//   LANES                               of a subgroup; PINNED: the adapter has several sizes, and this one is asked for
//   FLOAT16                             float16 in workgroup memory and matrices, else float32
//   UNIT                                values in 16 bytes: 8 if FLOAT16, else 4
//   K_CONTIGUOUS_A, K_CONTIGUOUS_B      the operand is contiguous along k, else along its rows (columns)
//   ROUND_A, ROUND_B                    the operand is float32 in storage and rounded to float16
//   FETCHES_A, FETCHES_B                units that an invocation fetches in a step
//   DOUBLE_BUFFERED                     workgroup memory for two steps: the next one is stored while others still multiply this one,
//                                       with one barrier a step
//   RAGGED_K                            K is no multiple of TILE_K

enable subgroups;
enable chromium_experimental_subgroup_matrix;
//#if FLOAT16
enable f16;
//#endif
//#if PINNED
enable subgroup_size_control;
//#endif

//#include matmul_epilogue

//#if FLOAT16
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

//#include matmul_tensor_core_operand x=a X=A COUNT=M TILE=TILE_M
//#include matmul_tensor_core_operand x=b X=B COUNT=N TILE=TILE_N

const SHARED = SHARED_A + SHARED_B;
// Vectors of four sums in a row of a strip, from one row to the next (again in different banks), and in a whole strip.
const COLUMNS = FRAGMENTS_N * MAT_N;
const QUADS_ACROSS = COLUMNS / 4u;
const STRIDE_STRIP = QUADS_ACROSS + 1u;
const STRIP = MAT_M * STRIDE_STRIP;

var<workgroup> shared_tiles: array<Unit, max(select(1u, 2u, DOUBLE_BUFFERED) * SHARED, SUBGROUPS_M * SUBGROUPS_N * STRIP)>;

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
  //#if SURPLUS_WORKGROUPS
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let n0 = tile.z * TILE_N;
  // Where this subgroup's tile begins in the workgroup's.
  let subgroup_m = subgroup / SUBGROUPS_N * (FRAGMENTS_M * MAT_M);
  let subgroup_n = subgroup % SUBGROUPS_N * COLUMNS;

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
  //#if DOUBLE_BUFFERED
  //#unroll s FETCHES_A
  store_shared_a(0u, index + $s * INVOCATIONS, next_a$s);
  //#end
  //#unroll s FETCHES_B
  store_shared_b(SHARED_A, index + $s * INVOCATIONS, next_b$s);
  //#end
  workgroupBarrier();
  //#endif
  // Where this step's values begin in workgroup memory.
  var begin = 0u;
  for (var k0 = 0u; k0 < K; k0 += TILE_K) {
    let more = k0 + TILE_K < K;
    //#if DOUBLE_BUFFERED
    //#else
    workgroupBarrier();
    //#unroll s FETCHES_A
    store_shared_a(0u, index + $s * INVOCATIONS, next_a$s);
    //#end
    //#unroll s FETCHES_B
    store_shared_b(SHARED_A, index + $s * INVOCATIONS, next_b$s);
    //#end
    workgroupBarrier();
    //#endif
    if (more) {
      //#unroll s FETCHES_A
      next_a$s = fetch_a(z, m0, k0 + TILE_K, min(index + $s * INVOCATIONS, UNITS_A - 1u));
      //#end
      //#unroll s FETCHES_B
      next_b$s = fetch_b(z, n0, k0 + TILE_K, min(index + $s * INVOCATIONS, UNITS_B - 1u));
      //#end
    }
    //#unroll q FRAGMENTS_K
    {
      let k = $q * MAT_K;
      //#unroll j FRAGMENTS_N
      let n$j = subgroup_n + $j * MAT_N;
      //#if K_CONTIGUOUS_B
      let right$j = subgroupMatrixLoad<Right, col_major>(&shared_tiles, begin + SHARED_A + n$j * STRIDE_B + k / UNIT, STRIDE_B);
      //#else
      let right$j = subgroupMatrixLoad<Right, row_major>(&shared_tiles, begin + SHARED_A + k * STRIDE_B + n$j / UNIT, STRIDE_B);
      //#endif
      //#end
      //#unroll i FRAGMENTS_M
      let m$i = subgroup_m + $i * MAT_M;
      //#if K_CONTIGUOUS_A
      let left$i = subgroupMatrixLoad<Left, row_major>(&shared_tiles, begin + m$i * STRIDE_A + k / UNIT, STRIDE_A);
      //#else
      let left$i = subgroupMatrixLoad<Left, col_major>(&shared_tiles, begin + k * STRIDE_A + m$i / UNIT, STRIDE_A);
      //#endif
      //#unroll j FRAGMENTS_N
      sum$i_$j = subgroupMatrixMultiplyAccumulate(left$i, right$j, sum$i_$j);
      //#end
      //#end
    }
    //#end
    //#if DOUBLE_BUFFERED
    begin = SHARED - begin;
    if (more) {
      //#unroll s FETCHES_A
      store_shared_a(begin, index + $s * INVOCATIONS, next_a$s);
      //#end
      //#unroll s FETCHES_B
      store_shared_b(begin + SHARED_A, index + $s * INVOCATIONS, next_b$s);
      //#end
    }
    workgroupBarrier();
    //#endif
  }

  //#unroll i FRAGMENTS_M
  workgroupBarrier();
  //#unroll j FRAGMENTS_N
  subgroupMatrixStore<row_major>(&shared_tiles, subgroup * STRIP + $j * MAT_N / 4u, sum$i_$j, STRIDE_STRIP);
  //#end
  workgroupBarrier();
  for (var quad = lane; quad < MAT_M * QUADS_ACROSS; quad += LANES) {
    let row = quad / QUADS_ACROSS;
    let column = quad % QUADS_ACROSS;
    let sums = bitcast<vec4f>(shared_tiles[subgroup * STRIP + row * STRIDE_STRIP + column]);
    store(z, m0 + subgroup_m + $i * MAT_M + row, n0 + subgroup_n + 4u * column, sums);
  }
  //#end
}
