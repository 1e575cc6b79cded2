// C[z, m, n] = sum over k of A[z, m, k] * B[z, k, n], and the epilogue; plain WGSL for GPUs, with tiles in workgroup memory.
//
// A workgroup computes TILE x TILE results. It walks over k in steps of 16: 16 x TILE values of A and of B are staged in
// workgroup memory, k by k, so that an invocation reads its rows and columns as vectors. Each invocation has
// QUADS_A x QUADS_B blocks of 4 x 4 results, a stride of TILE / QUADS apart, so that neighbours read neighbouring vectors.
// The next step's values are fetched into registers before the multiplications of this one, which hides their latency.
//
// Values are staged in blocks of 4 x 4: four vector loads along the axis that is contiguous in storage, and a transposition in
// registers where that axis is k. Where a vector is staged depends on k by an exclusive or, which keeps the stores of such blocks
// in different banks without padding: a tile of 128 takes 16 KiB, which every adapter has. There are no bounds checks among the multiplications: rows and columns beyond the edge read the last one and are
// not stored; what lies beyond K is staged as zeros, which costs a branch only where K is no multiple of 16 (RAGGED_K).
//
// A is [BATCH, M, K], or [BATCH, K, M] when A_TRANSPOSED; B is [BATCH, K, N], or [BATCH, N, K] when B_TRANSPOSED.
// VECTOR_A, VECTOR_B: the contiguous axis is a multiple of four, and the operand is bound as vectors.

//#include matmul_epilogue

const ROW = TILE / 4u;
const STAGE = STEP * ROW;
const ACROSS = ROW / QUADS_B;

var<workgroup> stage_a: array<vec4f, STAGE>;
var<workgroup> stage_b: array<vec4f, STAGE>;

// Where four rows (or columns) of one k are staged.
fn stage_at(k: u32, quad: u32) -> u32 { return k * ROW + (quad ^ (k / 4u * 2u)); }

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

// Which block of A (numbers below TILE) or B an invocation stages: [quad, k]. Neighbours follow the axis in storage.
fn place_of(block: u32, along_k: bool) -> vec2u {
  let number = block % TILE;
  if (along_k) { return vec2u(number / 4u, number % 4u * 4u); }
  return vec2u(number % ROW, number / ROW * 4u);
}

fn fetch(z: u32, origin: vec2u, block: u32, k: u32) -> mat4x4f {
  var values: mat4x4f;
  var at: vec2u;
  if (block < TILE) {
    at = place_of(block, !A_TRANSPOSED);
    values = block_a(z, origin.x + 4u * at.x, k + at.y);
  } else {
    at = place_of(block, B_TRANSPOSED);
    values = block_b(z, origin.y + 4u * at.x, k + at.y);
  }
  if (RAGGED_K) {
    //#unroll q 4
    if (k + at.y + $qu >= K) { values[$q] = vec4f(0.0); }
    //#end
  }
  return values;
}

fn put(block: u32, values: mat4x4f) {
  if (block < TILE) {
    let at = place_of(block, !A_TRANSPOSED);
    //#unroll q 4
    stage_a[stage_at(at.y + $qu, at.x)] = values[$q];
    //#end
  } else {
    let at = place_of(block, B_TRANSPOSED);
    //#unroll q 4
    stage_b[stage_at(at.y + $qu, at.x)] = values[$q];
    //#end
  }
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let tile = tile_of(group);
  //#if FOLDED
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let origin = vec2u(tile.y, tile.z) * TILE;
  let quad_m = index / ACROSS;
  let quad_n = index % ACROSS;

  //#unroll i QUADS_A
  //#unroll r 4
  //#unroll j QUADS_B
  var sum$i_$r_$j = vec4f(0.0);
  //#end
  //#end
  //#end

  //#unroll s BLOCKS
  var next$s = fetch(z, origin, index + $s * INVOCATIONS, 0u);
  //#end
  let steps = (K + STEP - 1u) / STEP;
  for (var step = 0u; step < steps; step++) {
    workgroupBarrier();
    //#unroll s BLOCKS
    put(index + $s * INVOCATIONS, next$s);
    //#end
    workgroupBarrier();
    if (step + 1u < steps) {
      //#unroll s BLOCKS
      next$s = fetch(z, origin, index + $s * INVOCATIONS, (step + 1u) * STEP);
      //#end
    }
    for (var k = 0u; k < STEP; k++) {
      //#unroll j QUADS_B
      let b$j = stage_b[stage_at(k, quad_n + $j * ACROSS)];
      //#end
      //#unroll i QUADS_A
      let a$i = stage_a[stage_at(k, quad_m + $i * (ROW / QUADS_A))];
      //#unroll r 4
      //#unroll j QUADS_B
      sum$i_$r_$j = fma(vec4f(a$i[$r]), b$j, sum$i_$r_$j);
      //#end
      //#end
      //#end
    }
  }

  //#unroll i QUADS_A
  //#unroll r 4
  //#unroll j QUADS_B
  store(z, origin.x + 4u * (quad_m + $i * (ROW / QUADS_A)) + $ru, origin.y + 4u * (quad_n + $j * ACROSS), sum$i_$r_$j);
  //#end
  //#end
  //#end
}
