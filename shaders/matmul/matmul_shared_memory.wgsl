// Shared-memory-tiled matmul, C[z, m, n] = sum over k of A[z, m, k] B[z, k, n], and the epilogue: plain WGSL for GPUs.
//
// A workgroup computes TILE x TILE results. It walks over k in steps of TILE_K: TILE_K x TILE values of A and of B lie in workgroup
// memory, k by k, so that an invocation reads its rows and columns as vectors. Each invocation has BLOCKS_M x BLOCKS_N blocks of
// 4 x 4 results, TILE / BLOCKS_M (TILE / BLOCKS_N) apart, so that neighbours read neighbouring vectors. The values of the next
// step are fetched into registers before the multiplications of this one, which hides their latency.
//
// Values are fetched in blocks of 4 x 4: four vector loads along the axis that is contiguous in storage, and a transposition in
// registers where that axis is k. The index of a vector in workgroup memory depends on k by an exclusive or, which puts the stores of
// such blocks into different banks without padding: a tile of 128 takes 16 KiB, which every adapter has. There are no bounds checks
// among the multiplications: rows and columns beyond the edge read the last one and are not stored; what lies beyond K is stored as
// zeros.
//
// Bindings, sizes and other constants: matmul_epilogue.wgsl
// Constants:
//   TILE                  edge of the workgroup's tile of C
//   BLOCKS_M, BLOCKS_N    blocks of 4 x 4 results per invocation, down and across
//   INVOCATIONS           of a workgroup: (TILE / 4)^2 / (BLOCKS_M BLOCKS_N)
//   FETCHES               blocks of 4 x 4 values of A and B that an invocation fetches in a step
//   TILE_K                depth of a step over k: 16
//   RAGGED_K              K is no multiple of TILE_K
//   VECTOR_A, VECTOR_B    the contiguous axis is a multiple of four, and the operand is bound as vec4

//#include matmul_epilogue

const TILE_VECTORS = TILE / 4u;
const SHARED_VECTORS = TILE_K * TILE_VECTORS;
const INVOCATIONS_N = TILE_VECTORS / BLOCKS_N;

var<workgroup> shared_a: array<vec4f, SHARED_VECTORS>;
var<workgroup> shared_b: array<vec4f, SHARED_VECTORS>;

// Where four rows (or columns) of one k lie in workgroup memory.
fn shared_index(k: u32, quad: u32) -> u32 { return k * TILE_VECTORS + (quad ^ (k / 4u * 2u)); }

// Four values of A that are neighbours in storage, at element `at` of it, which is a multiple of four if VECTOR_A.
fn quad_a(at: vec4u) -> vec4f {
  //#if VECTOR_A
  return load_a(at.x / 4u);
  //#else
  return vec4f(load_a(at.x), load_a(at.y), load_a(at.z), load_a(at.w));
  //#endif
}

fn quad_b(at: vec4u) -> vec4f {
  //#if VECTOR_B
  return load_b(at.x / 4u);
  //#else
  return vec4f(load_b(at.x), load_b(at.y), load_b(at.z), load_b(at.w));
  //#endif
}

// 4 x 4 values of A: column q holds rows m .. m + 3 at k + q.
fn block_a(z: u32, m: u32, k: u32) -> mat4x4f {
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let rows = min(m + offsets, vec4u(M - 1u));
  let steps = min(k + offsets, vec4u(K - 1u));
  var block: mat4x4f;
  //#unroll q 4
  //#if A_TRANSPOSED
  block[$q] = quad_a((z * K + steps[$q]) * M + rows);
  //#else
  block[$q] = quad_a((z * M + rows[$q]) * K + steps);
  //#endif
  //#end
  //#if A_TRANSPOSED
  return block;
  //#else
  return transpose(block);
  //#endif
}

// 4 x 4 values of B: column q holds columns n .. n + 3 at k + q.
fn block_b(z: u32, n: u32, k: u32) -> mat4x4f {
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let columns = min(n + offsets, vec4u(N - 1u));
  let steps = min(k + offsets, vec4u(K - 1u));
  var block: mat4x4f;
  //#unroll q 4
  //#if B_TRANSPOSED
  block[$q] = quad_b((z * N + columns[$q]) * K + steps);
  //#else
  block[$q] = quad_b((z * K + steps[$q]) * N + columns);
  //#endif
  //#end
  //#if B_TRANSPOSED
  return transpose(block);
  //#else
  return block;
  //#endif
}

// Which block of A (numbers below TILE) or B an invocation fetches: [quad, k]. Neighbours follow the axis in storage.
fn block_position(block: u32, along_k: bool) -> vec2u {
  let number = block % TILE;
  if (along_k) { return vec2u(number / 4u, number % 4u * 4u); }
  return vec2u(number % TILE_VECTORS, number / TILE_VECTORS * 4u);
}

fn fetch(z: u32, origin: vec2u, block: u32, k: u32) -> mat4x4f {
  var values: mat4x4f;
  var at: vec2u;
  if (block < TILE) {
    at = block_position(block, !A_TRANSPOSED);
    values = block_a(z, origin.x + 4u * at.x, k + at.y);
  } else {
    at = block_position(block, B_TRANSPOSED);
    values = block_b(z, origin.y + 4u * at.x, k + at.y);
  }
  if (RAGGED_K) {
    //#unroll q 4
    if (k + at.y + $qu >= K) { values[$q] = vec4f(0.0); }
    //#end
  }
  return values;
}

fn store_shared(block: u32, values: mat4x4f) {
  if (block < TILE) {
    let at = block_position(block, !A_TRANSPOSED);
    //#unroll q 4
    shared_a[shared_index(at.y + $qu, at.x)] = values[$q];
    //#end
  } else {
    let at = block_position(block, B_TRANSPOSED);
    //#unroll q 4
    shared_b[shared_index(at.y + $qu, at.x)] = values[$q];
    //#end
  }
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let tile = tile_of(group);
  //#if SURPLUS_WORKGROUPS
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let origin = vec2u(tile.y, tile.z) * TILE;
  let quad_m = index / INVOCATIONS_N;
  let quad_n = index % INVOCATIONS_N;

  //#unroll i BLOCKS_M
  //#unroll r 4
  //#unroll j BLOCKS_N
  var sum$i_$r_$j = vec4f(0.0);
  //#end
  //#end
  //#end

  //#unroll s FETCHES
  var next$s = fetch(z, origin, index + $s * INVOCATIONS, 0u);
  //#end
  let steps = (K + TILE_K - 1u) / TILE_K;
  for (var step = 0u; step < steps; step++) {
    workgroupBarrier();
    //#unroll s FETCHES
    store_shared(index + $s * INVOCATIONS, next$s);
    //#end
    workgroupBarrier();
    if (step + 1u < steps) {
      //#unroll s FETCHES
      next$s = fetch(z, origin, index + $s * INVOCATIONS, (step + 1u) * TILE_K);
      //#end
    }
    for (var k = 0u; k < TILE_K; k++) {
      //#unroll j BLOCKS_N
      let b$j = shared_b[shared_index(k, quad_n + $j * INVOCATIONS_N)];
      //#end
      //#unroll i BLOCKS_M
      let a$i = shared_a[shared_index(k, quad_m + $i * (TILE_VECTORS / BLOCKS_M))];
      //#unroll r 4
      //#unroll j BLOCKS_N
      sum$i_$r_$j = fma(vec4f(a$i[$r]), b$j, sum$i_$r_$j);
      //#end
      //#end
      //#end
    }
  }

  //#unroll i BLOCKS_M
  //#unroll r 4
  //#unroll j BLOCKS_N
  store(z, origin.x + 4u * (quad_m + $i * (TILE_VECTORS / BLOCKS_M)) + $ru, origin.y + 4u * (quad_n + $j * INVOCATIONS_N), sum$i_$r_$j);
  //#end
  //#end
  //#end
}
