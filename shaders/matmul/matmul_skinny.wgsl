// Skinny matmul, C[z, m, n] = sum over k of A[z, m, k] B[z, k, n], and the epilogue, for a few rows of A (ROWS matrix-vector products
// at a time): plain WGSL for GPUs. It takes as long as reading B takes, so B is read once, straight into registers.
//
// A workgroup computes ROWS rows and 4 INVOCATIONS_N columns. Its invocations share k: each takes four columns at four k at a time, and
// every row of them; INVOCATIONS_N lie side by side along n, INVOCATIONS / INVOCATIONS_N along k. Neighbours read neighbouring vectors
// of B: along k if that is contiguous (INVOCATIONS_N = 1), else INVOCATIONS_N of them to a row of B. A is small and comes from the
// cache; a vector of it serves four columns. The next step's values of B are requested before the multiplications of this one. Where
// there are more than ROWS rows, the workgroups of the same columns are neighbours, and B comes from the cache for all but the first.
//
// The sums of a column's invocations are then added through workgroup memory, always in the same order, ROWS_PER_ROUND rows at a time
// so that 16 KiB suffice: SUMS_PER_INVOCATION first, and then what is left.
//
// Bindings, sizes and other constants: matmul_epilogue.wgsl; a and b are bound as vec4, and A is not transposed.
// K is a multiple of four, and so is N unless B_TRANSPOSED.
// Constants:
//   ROWS                  rows of C per workgroup: ROUNDS * ROWS_PER_ROUND
//   ROUNDS, ROWS_PER_ROUND
//   INVOCATIONS           of a workgroup
//   INVOCATIONS_N         of them side by side along n
//   SUMS_PER_INVOCATION   sums that an invocation adds first

//#include matmul_epilogue

var<workgroup> shared_sums: array<vec4f, ROWS_PER_ROUND * INVOCATIONS>;

// B at four k (vector `quad` of them) and four columns from n on: column q holds columns n .. n + 3 at k + q. Columns beyond
// the edge read the last ones and are not stored.
fn block_b(z: u32, n: u32, quad: u32) -> mat4x4f {
  var block: mat4x4f;
  //#unroll q 4
  //#if B_TRANSPOSED
  block[$q] = load_b((z * N + min(n + $qu, N - 1u)) * (K / 4u) + quad);
  //#else
  block[$q] = load_b(((z * K + 4u * quad + $qu) * N + min(n, N - 4u)) / 4u);
  //#endif
  //#end
  //#if B_TRANSPOSED
  return transpose(block);
  //#else
  return block;
  //#endif
}

// Four values of a row of A, at vector `quad` of k; rows beyond the edge read the last one and are not stored.
fn quad_a(z: u32, m: u32, quad: u32) -> vec4f { return load_a((z * M + min(m, M - 1u)) * (K / 4u) + quad); }

fn multiply(a: vec4f, b: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(a.w), b[3], fma(vec4f(a.z), b[2], fma(vec4f(a.y), b[1], fma(vec4f(a.x), b[0], sum))));
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tile_of(group);
  //#if SURPLUS_WORKGROUPS
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let m = tile.y * ROWS;
  let n = tile.z * 4u * INVOCATIONS_N;
  let column = n + 4u * (lane % INVOCATIONS_N);
  let depth = INVOCATIONS / INVOCATIONS_N;
  let quads = K / 4u;

  //#unroll p ROUNDS
  //#unroll r ROWS_PER_ROUND
  var sum$p_$r = vec4f(0.0);
  //#end
  //#end

  var quad = lane / INVOCATIONS_N;
  var b = block_b(z, column, min(quad, quads - 1u));
  for (; quad < quads; quad += depth) {
    // Beyond the end the last vectors are read again and not used: behind a condition, the loads could not be issued early.
    let next = block_b(z, column, min(quad + depth, quads - 1u));
    //#unroll p ROUNDS
    //#unroll r ROWS_PER_ROUND
    sum$p_$r = multiply(quad_a(z, m + $p * ROWS_PER_ROUND + $ru, quad), b, sum$p_$r);
    //#end
    //#end
    b = next;
  }

  // The sums of a row lie INVOCATIONS apart. `parts` invocations a row first add SUMS_PER_INVOCATION sums each that are `parts` apart
  // and so of the same columns; then one invocation for every four columns of a row adds what is left.
  let parts = INVOCATIONS / SUMS_PER_INVOCATION;
  let adds = lane < ROWS_PER_ROUND * parts;
  //#unroll p ROUNDS
  workgroupBarrier();
  //#unroll r ROWS_PER_ROUND
  shared_sums[$r * INVOCATIONS + lane] = sum$p_$r;
  //#end
  workgroupBarrier();
  var part$p = vec4f(0.0);
  if (adds) {
    let at = lane / parts * INVOCATIONS + lane % parts;
    for (var i = 0u; i < SUMS_PER_INVOCATION; i++) { part$p += shared_sums[at + i * parts]; }
  }
  //#end
  workgroupBarrier();
  if (adds) {
    //#unroll p ROUNDS
    shared_sums[$p * ROWS_PER_ROUND * parts + lane] = part$p;
    //#end
  }
  workgroupBarrier();
  if (lane >= ROWS * INVOCATIONS_N) { return; }
  let row = lane / INVOCATIONS_N;
  let across = lane % INVOCATIONS_N;
  var total = vec4f(0.0);
  for (var i = across; i < parts; i += INVOCATIONS_N) { total += shared_sums[row * parts + i]; }
  store(z, m + row, n + 4u * across, total);
}
