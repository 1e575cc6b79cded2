// Attention with rows of its own for each lane of a subgroup, backward; attention_rows_per_lane.wgsl says how it works.
//
// Bindings and sizes: attention_layout.wgsl. Constants: attention_rows_per_lane_common.wgsl

//#include attention_rows_per_lane_common

//#if BACKWARD_DQ
@compute @workgroup_size(LANES)
fn backward_dq(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let rows = min(ROWS_PER_LANE, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var q: array<vec4f, ROWS_PER_LANE * HEAD>;
  var output_gradients: array<vec4f, ROWS_PER_LANE * HEAD>;
  var sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  var deltas: array<f32, ROWS_PER_LANE>;
  var logs: array<f32, ROWS_PER_LANE>;
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    let q_at = qkv_row(batch, token, 0u, head);
    let o_at = o_row(batch, token, head);
    var products = 0.0;
    for (var d = 0u; d < span; d++) {
      let output_gradient = load_d_o(o_at + d);
      q[d * ROWS_PER_LANE + r] = load_qkv(q_at + d) * (SCALE * LOG2_E);
      output_gradients[d * ROWS_PER_LANE + r] = output_gradient;
      products += dot(output_gradient, load_o(o_at + d));
    }
    deltas[r] = products;
    logs[r] = lse[scalar_at(batch, token, head)] * LOG2_E;
    if (token < TOKENS) { delta[scalar_at(batch, token, head)] = products; }
  }

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    //#unroll k BLOCK_ROWS_PER_LANE
    let k_at$k = qkv_row(batch, block + $ku * LANES + lane, 1u, head);
    let v_at$k = qkv_row(batch, block + $ku * LANES + lane, 2u, head);
    //#unroll e LANES
    //#unroll r ROWS_PER_LANE
    var s$r_$k_$e = 0.0;
    var dp$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        let q$r = q[(d + $uu) * ROWS_PER_LANE + $ru];
        let output_gradient$r = output_gradients[(d + $uu) * ROWS_PER_LANE + $ru];
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let k$k = load_qkv(k_at$k + d + $uu);
        let v$k = load_qkv(v_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        let v$k_$e = subgroupBroadcast(v$k, $eu);
        //#unroll r ROWS_PER_LANE
        s$r_$k_$e += dot(q$r, k$k_$e);
        dp$r_$k_$e += dot(output_gradient$r, v$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }
    //#unroll r ROWS_PER_LANE
    //#unroll k BLOCK_ROWS_PER_LANE
    //#unroll e LANES
    let ds$r_$k_$e = select(
      0.0,
      exp2(s$r_$k_$e - logs[$r]) * (dp$r_$k_$e - deltas[$r]) * SCALE,
      seen(first + lane + $ru * LANES, block + $ku * LANES + $eu, end),
    );
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        var sum$r = sums[(d + $uu) * ROWS_PER_LANE + $ru];
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let k$k = load_qkv(k_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        //#unroll r ROWS_PER_LANE
        sum$r += ds$r_$k_$e * k$k_$e;
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

  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 0u, head);
      for (var d = 0u; d < span; d++) { store_d_qkv(at + d, sums[d * ROWS_PER_LANE + r]); }
    }
  }
}
//#endif

//#if BACKWARD_DKV
@compute @workgroup_size(LANES)
fn backward_dkv(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let rows = min(ROWS_PER_LANE, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var k: array<vec4f, ROWS_PER_LANE * HEAD>;
  var v: array<vec4f, ROWS_PER_LANE * HEAD>;
  var k_sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  var v_sums: array<vec4f, ROWS_PER_LANE * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 1u, head);
    for (var d = 0u; d < span; d++) {
      k[d * ROWS_PER_LANE + r] = load_qkv(at + d) * (SCALE * LOG2_E);
      v[d * ROWS_PER_LANE + r] = load_qkv(at + HEADS * HEAD + d);
    }
  }

  for (var block = select(0u, first, CAUSAL); block < TOKENS; block += BLOCK) {
    //#unroll k BLOCK_ROWS_PER_LANE
    let q_at$k = qkv_row(batch, block + $ku * LANES + lane, 0u, head);
    let o_at$k = o_row(batch, block + $ku * LANES + lane, head);
    //#unroll e LANES
    //#unroll r ROWS_PER_LANE
    var s$r_$k_$e = 0.0;
    var dp$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        let k$r = k[(d + $uu) * ROWS_PER_LANE + $ru];
        let v$r = v[(d + $uu) * ROWS_PER_LANE + $ru];
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let q$k = load_qkv(q_at$k + d + $uu);
        let output_gradient$k = load_d_o(o_at$k + d + $uu);
        //#unroll e LANES
        let q$k_$e = subgroupBroadcast(q$k, $eu);
        let output_gradient$k_$e = subgroupBroadcast(output_gradient$k, $eu);
        //#unroll r ROWS_PER_LANE
        s$r_$k_$e += dot(k$r, q$k_$e);
        dp$r_$k_$e += dot(v$r, output_gradient$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }
    //#unroll k BLOCK_ROWS_PER_LANE
    let scalars$k = scalar_at(batch, block + $ku * LANES + lane, head);
    let log$k = lse[scalars$k] * LOG2_E;
    let delta$k = delta[scalars$k];
    //#unroll e LANES
    let query$k_$e = block + $ku * LANES + $eu;
    let log$k_$e = subgroupBroadcast(log$k, $eu);
    let delta$k_$e = subgroupBroadcast(delta$k, $eu);
    //#unroll r ROWS_PER_LANE
    let seen$r_$k_$e = (query$k_$e < TOKENS) & seen(query$k_$e, first + lane + $ru * LANES, TOKENS);
    let p$r_$k_$e = select(0.0, exp2(s$r_$k_$e - log$k_$e), seen$r_$k_$e);
    let ds$r_$k_$e = p$r_$k_$e * (dp$r_$k_$e - delta$k_$e) * SCALE;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += UNROLL) {
      //#unroll u UNROLL
      {
        //#unroll r ROWS_PER_LANE
        var k_sum$r = k_sums[(d + $uu) * ROWS_PER_LANE + $ru];
        var v_sum$r = v_sums[(d + $uu) * ROWS_PER_LANE + $ru];
        //#end
        //#unroll k BLOCK_ROWS_PER_LANE
        let q$k = load_qkv(q_at$k + d + $uu);
        let output_gradient$k = load_d_o(o_at$k + d + $uu);
        //#unroll e LANES
        let q$k_$e = subgroupBroadcast(q$k, $eu);
        let output_gradient$k_$e = subgroupBroadcast(output_gradient$k, $eu);
        //#unroll r ROWS_PER_LANE
        k_sum$r += ds$r_$k_$e * q$k_$e;
        v_sum$r += p$r_$k_$e * output_gradient$k_$e;
        //#end
        //#end
        //#end
        //#unroll r ROWS_PER_LANE
        k_sums[(d + $uu) * ROWS_PER_LANE + $ru] = k_sum$r;
        v_sums[(d + $uu) * ROWS_PER_LANE + $ru] = v_sum$r;
        //#end
      }
      //#end
    }
  }

  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 1u, head);
      for (var d = 0u; d < span; d++) {
        store_d_qkv(at + d, k_sums[d * ROWS_PER_LANE + r]);
        store_d_qkv(at + HEADS * HEAD + d, v_sums[d * ROWS_PER_LANE + r]);
      }
    }
  }
}
//#endif
