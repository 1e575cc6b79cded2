// Subgroup-broadcast matmul, C[z, m, n] = sum over k of A[z, m, k] B[z, k, n], and the epilogue, for adapters whose subgroups are
// vectors of the CPU. There every load is done lane by lane with a branch each, so the number of loads decides, and moving a value
// between lanes is cheap. A workgroup is one subgroup and computes TILE_M rows x (4 VECTORS LANES) columns. Each value of A is loaded
// by one lane and broadcast to all; each lane loads the columns that it computes. A step over k costs TILE_M / LANES + 4 VECTORS
// loads a lane for 4 TILE_M VECTORS multiply-adds. Rows and columns beyond the edge read the last one and are not stored.
//
// Bindings, sizes and other constants: matmul_epilogue.wgsl
// Constants:
//   LANES             of a subgroup
//   TILE_M            rows of C per subgroup: ROW_GROUPS * ROWS_PER_GROUP
//   ROW_GROUPS        values of A that each lane holds
//   ROWS_PER_GROUP    lanes that hold one: LANES, or TILE_M if that is less
//   VECTORS           vectors of four columns that each lane computes
//   FOUR_K            four k at a time: A and B contiguous along k, both bound as vec4
//   ROW_MAJOR_B       one k at a time, B contiguous along n and bound as vec4; with neither: element by element, any layout
//   SHARED_EPILOGUE   sums go to workgroup memory after the loop over k, and each lane finishes its own from there in a loop.
//                     lavapipe allocates the registers of the loop over k better if nothing but stores follows it

enable subgroups;

//#include matmul_epilogue

//#if SHARED_EPILOGUE
var<workgroup> shared_sums: array<vec4f, TILE_M * VECTORS * LANES>;
//#endif

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = tile_of(group);
  //#if SURPLUS_WORKGROUPS
  if (tile.x >= BATCH) { return; }
  //#endif
  let z = tile.x;
  let m0 = tile.y * TILE_M;
  let first = tile.z * (4u * VECTORS * LANES) + 4u * lane;

  //#unroll s ROW_GROUPS
  let a_row$s = min(m0 + $s * ROWS_PER_GROUP + lane, M - 1u);
  let a_at$s = select((z * M + a_row$s) * K, z * K * M + a_row$s, A_TRANSPOSED);
  //#end
  //#unroll j VECTORS
  let n$j = first + $ju * 4u * LANES;
  //#if ROW_MAJOR_B
  let b_at$j = z * K * (N / 4u) + min(n$j / 4u, N / 4u - 1u);
  //#else
  //#unroll l 4
  let b_column$j_$l = min(n$j + $lu, N - 1u);
  let b_at$j_$l = select(z * K * N + b_column$j_$l, (z * N + b_column$j_$l) * K, B_TRANSPOSED);
  //#end
  //#endif
  //#end

  //#unroll s ROW_GROUPS
  //#unroll i ROWS_PER_GROUP
  //#unroll j VECTORS
  var sum$s_$i_$j = vec4f(0.0);
  //#end
  //#end
  //#end

  //#if FOUR_K
  for (var k = 0u; k < K / 4u; k++) {
    //#unroll s ROW_GROUPS
    let a$s = load_a(a_at$s / 4u + k);
    //#end
    //#unroll j VECTORS
    //#unroll l 4
    let b$j_$l = load_b(b_at$j_$l / 4u + k);
    //#end
    //#end
    // All four k of a sum before the next sum: there are more sums than registers, so that each is loaded and stored once.
    //#unroll s ROW_GROUPS
    //#unroll i ROWS_PER_GROUP
    //#unroll q 4
    let a$q_$s_$i = vec4f(subgroupBroadcast(a$s[$q], $iu));
    //#end
    //#unroll j VECTORS
    //#unroll q 4
    sum$s_$i_$j = fma(a$q_$s_$i, vec4f(b$j_0[$q], b$j_1[$q], b$j_2[$q], b$j_3[$q]), sum$s_$i_$j);
    //#end
    //#end
    //#end
    //#end
  }
  //#else
  for (var k = 0u; k < K; k++) {
    //#unroll s ROW_GROUPS
    let a$s = load_a(a_at$s + k * select(1u, M, A_TRANSPOSED));
    //#end
    //#unroll j VECTORS
    //#if ROW_MAJOR_B
    let b$j = load_b(b_at$j + k * (N / 4u));
    //#else
    //#unroll l 4
    let b$j_$l = load_b(b_at$j_$l + k * select(N, 1u, B_TRANSPOSED));
    //#end
    let b$j = vec4f(b$j_0, b$j_1, b$j_2, b$j_3);
    //#endif
    //#end
    //#unroll s ROW_GROUPS
    //#unroll i ROWS_PER_GROUP
    let a$s_$i = vec4f(subgroupBroadcast(a$s, $iu));
    //#unroll j VECTORS
    sum$s_$i_$j = fma(a$s_$i, b$j, sum$s_$i_$j);
    //#end
    //#end
    //#end
  }
  //#endif

  //#unroll s ROW_GROUPS
  //#unroll i ROWS_PER_GROUP
  //#unroll j VECTORS
  //#if SHARED_EPILOGUE
  shared_sums[(($su * ROWS_PER_GROUP + $iu) * VECTORS + $ju) * LANES + lane] = sum$s_$i_$j;
  //#else
  store(z, m0 + $s * ROWS_PER_GROUP + $iu, n$j, sum$s_$i_$j);
  //#endif
  //#end
  //#end
  //#end
  //#if SHARED_EPILOGUE
  for (var i = 0u; i < TILE_M * VECTORS; i++) {
    store(z, m0 + i / VECTORS, first + i % VECTORS * (4u * LANES), shared_sums[i * LANES + lane]);
  }
  //#endif
}
