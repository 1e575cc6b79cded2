// Attention with rows of its own for each lane of a subgroup, forward (the maths is in attention_shared_memory.wgsl), for software
// adapters whose subgroups are vectors of the CPU. There a load is done lane by lane, a barrier suspends a workgroup, and moving a value
// between lanes costs next to nothing. So a workgroup is one subgroup without workgroup memory: each lane keeps ROWS_PER_LANE rows of the
// tile (queries, or keys in `backward_dkv`) in private memory with their sums, and loads BLOCK_ROWS_PER_LANE rows of each block of the
// other side, which all lanes get by broadcast. A value that is loaded serves the whole tile. Every sum has a fixed order.
//
// Lane l has rows first + l, first + l + LANES, ...; rows beyond the last one read it and get no weight. The softmax is exact: sums are
// rescaled when a block holds a larger score. Scores are in base 2.
//
// Bindings and sizes: attention_layout.wgsl. Constants: attention_rows_per_lane_common.wgsl

//#include attention_rows_per_lane_common

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  // Bounds that are hidden from the compiler: it would unroll these loops, and takes 50 ms to compile a load.
  let rows = min(ROWS_PER_LANE, arrayLength(&o));
  let span = min(HEAD, arrayLength(&o));
  var q: array<vec4f, ROWS_PER_LANE * HEAD>;
  var sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 0u, head);
    for (var d = 0u; d < span; d++) { q[d * ROWS_PER_LANE + r] = load_qkv(at + d) * (SCALE * LOG2_E); }
  }
  //#unroll r ROWS_PER_LANE
  var highest$r = LOWEST;
  var total$r = 0.0;
  //#end

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    //#unroll k BLOCK_ROWS_PER_LANE
    let k_at$k = qkv_row(batch, block + $ku * LANES + lane, 1u, head);
    let v_at$k = qkv_row(batch, block + $ku * LANES + lane, 2u, head);
    //#unroll e LANES
    //#unroll r ROWS_PER_LANE
    var s$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        let q$r = q[(d + $uu) * ROWS_PER_LANE + $ru];
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let k$k = load_qkv(k_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        //#unroll r ROWS_PER_LANE
        s$r_$k_$e += dot(q$r, k$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }

    //#unroll r ROWS_PER_LANE
    var most$r = highest$r;
    //#unroll k BLOCK_ROWS_PER_LANE
    //#unroll e LANES
    s$r_$k_$e = select(LOWEST, s$r_$k_$e, seen(first + lane + $ru * LANES, block + $ku * LANES + $eu, end));
    most$r = max(most$r, s$r_$k_$e);
    //#end
    //#end
    let shrink$r = exp2(highest$r - most$r);
    highest$r = most$r;
    total$r *= shrink$r;
    //#unroll k BLOCK_ROWS_PER_LANE
    //#unroll e LANES
    let p$r_$k_$e = exp2(s$r_$k_$e - most$r);
    total$r += p$r_$k_$e;
    //#end
    //#end
    //#end

    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        var sum$r = sums[(d + $uu) * ROWS_PER_LANE + $ru] * shrink$r;
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let v$k = load_qkv(v_at$k + d + $uu);
        //#unroll e LANES
        let v$k_$e = subgroupBroadcast(v$k, $eu);
        //#unroll r ROWS_PER_LANE
        sum$r += p$r_$k_$e * v$k_$e;
        //#end
        //#end
        //#end
        //#unroll r ROWS_PER_LANE
        sums[(d + $uu) * ROWS_PER_LANE + $ru] = sum$r;
        //#end
      }
      //#end
    }
  }

  var factors: array<f32, ROWS_PER_LANE>;
  var logs: array<f32, ROWS_PER_LANE>;
  //#unroll r ROWS_PER_LANE
  total$r = sum_under(highest$r, total$r);
  factors[$r] = 1.0 / total$r;
  logs[$r] = select((highest$r + log2(total$r)) * LN_2, total$r, is_nan(total$r));
  //#end
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = o_row(batch, token, head);
      for (var d = 0u; d < span; d++) { store_o(at + d, sums[d * ROWS_PER_LANE + r] * factors[r]); }
      //#if STORE_LSE
      lse[scalar_at(batch, token, head)] = logs[r];
      //#endif
    }
  }
}
