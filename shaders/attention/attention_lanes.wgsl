// Attention (the maths is in attention.wgsl) for CPU adapters, whose subgroups are vectors of the CPU. There a load is done
// lane by lane, a barrier suspends a workgroup, and moving a value between lanes costs next to nothing. So a workgroup is
// one subgroup without workgroup memory: each lane owns ROWS rows of a head (queries, or keys in `keys`), which it keeps in
// private memory with their sums, and loads STRIPS of the LANES rows of each block of the other side, which all lanes get by
// broadcast. A value that is loaded serves LANES * ROWS rows. Every sum is in a fixed order.
//
// Lane l owns rows first + l, first + l + LANES, ...; rows beyond the last one read it and get no weight. The softmax is
// exact: sums are rescaled when a block holds a larger score. Scores are in base 2.

enable subgroups;

//#include attention_layout

const OWN = ROWS * LANES;
const BLOCK = STRIPS * LANES;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;

// Whether a query takes a key before `end` into account.
fn seen(query: u32, key: u32, end: u32) -> bool {
  return (key < end) & (!CAUSAL | (key <= query));
}

//#if FORWARD
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  // Bounds that no compiler knows: it would unroll these loops, and compiling a load takes a CPU adapter 50 ms.
  let rows = min(ROWS, arrayLength(&o));
  let span = min(HEAD, arrayLength(&o));
  var q: array<vec4f, ROWS * HEAD>;
  var sums: array<vec4f, ROWS * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 0u, head);
    for (var d = 0u; d < span; d++) { q[d * ROWS + r] = load_qkv(at + d) * (SCALE * LOG2_E); }
  }
  //#unroll r ROWS
  var highest$r = LOWEST;
  var total$r = 0.0;
  //#end

  let end = select(TOKENS, min(first + OWN, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    //#unroll k STRIPS
    let k_at$k = qkv_row(batch, block + $ku * LANES + lane, 1u, head);
    let v_at$k = qkv_row(batch, block + $ku * LANES + lane, 2u, head);
    //#unroll e LANES
    //#unroll r ROWS
    var s$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        let q$r = q[(d + $uu) * ROWS + $ru];
        //#end
        //#unroll k STRIPS
        let k$k = load_qkv(k_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        //#unroll r ROWS
        s$r_$k_$e += dot(q$r, k$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }

    //#unroll r ROWS
    var most$r = highest$r;
    //#unroll k STRIPS
    //#unroll e LANES
    s$r_$k_$e = select(LOWEST, s$r_$k_$e, seen(first + lane + $ru * LANES, block + $ku * LANES + $eu, end));
    most$r = max(most$r, s$r_$k_$e);
    //#end
    //#end
    let shrink$r = exp2(highest$r - most$r);
    highest$r = most$r;
    total$r *= shrink$r;
    //#unroll k STRIPS
    //#unroll e LANES
    let p$r_$k_$e = exp2(s$r_$k_$e - most$r);
    total$r += p$r_$k_$e;
    //#end
    //#end
    //#end

    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        var sum$r = sums[(d + $uu) * ROWS + $ru] * shrink$r;
        //#end
        //#unroll k STRIPS
        let v$k = load_qkv(v_at$k + d + $uu);
        //#unroll e LANES
        let v$k_$e = subgroupBroadcast(v$k, $eu);
        //#unroll r ROWS
        sum$r += p$r_$k_$e * v$k_$e;
        //#end
        //#end
        //#end
        //#unroll r ROWS
        sums[(d + $uu) * ROWS + $ru] = sum$r;
        //#end
      }
      //#end
    }
  }

  var factors: array<f32, ROWS>;
  var logs: array<f32, ROWS>;
  //#unroll r ROWS
  total$r = sum_under(highest$r, total$r);
  factors[$r] = 1.0 / total$r;
  logs[$r] = select((highest$r + log2(total$r)) * LN_2, total$r, is_nan(total$r));
  //#end
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = o_row(batch, token, head);
      for (var d = 0u; d < span; d++) { store_o(at + d, sums[d * ROWS + r] * factors[r]); }
      //#if STORE_LSE
      lse[scalar_at(batch, token, head)] = logs[r];
      //#endif
    }
  }
}
//#endif

//#if QUERIES
@compute @workgroup_size(LANES)
fn queries(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  let rows = min(ROWS, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var q: array<vec4f, ROWS * HEAD>;
  var slopes: array<vec4f, ROWS * HEAD>;
  var sums: array<vec4f, ROWS * HEAD>;
  var deltas: array<f32, ROWS>;
  var logs: array<f32, ROWS>;
  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    let q_at = qkv_row(batch, token, 0u, head);
    let o_at = o_row(batch, token, head);
    var products = 0.0;
    for (var d = 0u; d < span; d++) {
      let slope = load_d_o(o_at + d);
      q[d * ROWS + r] = load_qkv(q_at + d) * (SCALE * LOG2_E);
      slopes[d * ROWS + r] = slope;
      products += dot(slope, load_o(o_at + d));
    }
    deltas[r] = products;
    logs[r] = lse[scalar_at(batch, token, head)] * LOG2_E;
    if (token < TOKENS) { delta[scalar_at(batch, token, head)] = products; }
  }

  let end = select(TOKENS, min(first + OWN, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += BLOCK) {
    //#unroll k STRIPS
    let k_at$k = qkv_row(batch, block + $ku * LANES + lane, 1u, head);
    let v_at$k = qkv_row(batch, block + $ku * LANES + lane, 2u, head);
    //#unroll e LANES
    //#unroll r ROWS
    var s$r_$k_$e = 0.0;
    var dp$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        let q$r = q[(d + $uu) * ROWS + $ru];
        let slope$r = slopes[(d + $uu) * ROWS + $ru];
        //#end
        //#unroll k STRIPS
        let k$k = load_qkv(k_at$k + d + $uu);
        let v$k = load_qkv(v_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        let v$k_$e = subgroupBroadcast(v$k, $eu);
        //#unroll r ROWS
        s$r_$k_$e += dot(q$r, k$k_$e);
        dp$r_$k_$e += dot(slope$r, v$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }
    //#unroll r ROWS
    //#unroll k STRIPS
    //#unroll e LANES
    let ds$r_$k_$e = select(
      0.0,
      exp2(s$r_$k_$e - logs[$r]) * (dp$r_$k_$e - deltas[$r]) * SCALE,
      seen(first + lane + $ru * LANES, block + $ku * LANES + $eu, end),
    );
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        var sum$r = sums[(d + $uu) * ROWS + $ru];
        //#end
        //#unroll k STRIPS
        let k$k = load_qkv(k_at$k + d + $uu);
        //#unroll e LANES
        let k$k_$e = subgroupBroadcast(k$k, $eu);
        //#unroll r ROWS
        sum$r += ds$r_$k_$e * k$k_$e;
        //#end
        //#end
        //#end
        //#unroll r ROWS
        sums[(d + $uu) * ROWS + $ru] = sum$r;
        //#end
      }
      //#end
    }
  }

  for (var r = 0u; r < rows; r++) {
    let token = first + lane + r * LANES;
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 0u, head);
      for (var d = 0u; d < span; d++) { store_d_qkv(at + d, sums[d * ROWS + r]); }
    }
  }
}
//#endif

//#if KEYS
@compute @workgroup_size(LANES)
fn keys(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  let rows = min(ROWS, arrayLength(&d_qkv));
  let span = min(HEAD, arrayLength(&d_qkv));
  var k: array<vec4f, ROWS * HEAD>;
  var v: array<vec4f, ROWS * HEAD>;
  var k_sums: array<vec4f, ROWS * HEAD>;
  var v_sums: array<vec4f, ROWS * HEAD>;
  for (var r = 0u; r < rows; r++) {
    let at = qkv_row(batch, first + lane + r * LANES, 1u, head);
    for (var d = 0u; d < span; d++) {
      k[d * ROWS + r] = load_qkv(at + d) * (SCALE * LOG2_E);
      v[d * ROWS + r] = load_qkv(at + HEADS * HEAD + d);
    }
  }

  for (var block = select(0u, first, CAUSAL); block < TOKENS; block += BLOCK) {
    //#unroll k STRIPS
    let q_at$k = qkv_row(batch, block + $ku * LANES + lane, 0u, head);
    let o_at$k = o_row(batch, block + $ku * LANES + lane, head);
    //#unroll e LANES
    //#unroll r ROWS
    var s$r_$k_$e = 0.0;
    var dp$r_$k_$e = 0.0;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        let k$r = k[(d + $uu) * ROWS + $ru];
        let v$r = v[(d + $uu) * ROWS + $ru];
        //#end
        //#unroll k STRIPS
        let q$k = load_qkv(q_at$k + d + $uu);
        let slope$k = load_d_o(o_at$k + d + $uu);
        //#unroll e LANES
        let q$k_$e = subgroupBroadcast(q$k, $eu);
        let slope$k_$e = subgroupBroadcast(slope$k, $eu);
        //#unroll r ROWS
        s$r_$k_$e += dot(k$r, q$k_$e);
        dp$r_$k_$e += dot(v$r, slope$k_$e);
        //#end
        //#end
        //#end
      }
      //#end
    }
    //#unroll k STRIPS
    let scalars$k = scalar_at(batch, block + $ku * LANES + lane, head);
    let log$k = lse[scalars$k] * LOG2_E;
    let delta$k = delta[scalars$k];
    //#unroll e LANES
    let query$k_$e = block + $ku * LANES + $eu;
    let log$k_$e = subgroupBroadcast(log$k, $eu);
    let delta$k_$e = subgroupBroadcast(delta$k, $eu);
    //#unroll r ROWS
    let seen$r_$k_$e = (query$k_$e < TOKENS) & seen(query$k_$e, first + lane + $ru * LANES, TOKENS);
    let p$r_$k_$e = select(0.0, exp2(s$r_$k_$e - log$k_$e), seen$r_$k_$e);
    let ds$r_$k_$e = p$r_$k_$e * (dp$r_$k_$e - delta$k_$e) * SCALE;
    //#end
    //#end
    //#end
    for (var d = 0u; d < span; d += STEPS) {
      //#unroll u STEPS
      {
        //#unroll r ROWS
        var k_sum$r = k_sums[(d + $uu) * ROWS + $ru];
        var v_sum$r = v_sums[(d + $uu) * ROWS + $ru];
        //#end
        //#unroll k STRIPS
        let q$k = load_qkv(q_at$k + d + $uu);
        let slope$k = load_d_o(o_at$k + d + $uu);
        //#unroll e LANES
        let q$k_$e = subgroupBroadcast(q$k, $eu);
        let slope$k_$e = subgroupBroadcast(slope$k, $eu);
        //#unroll r ROWS
        k_sum$r += ds$r_$k_$e * q$k_$e;
        v_sum$r += p$r_$k_$e * slope$k_$e;
        //#end
        //#end
        //#end
        //#unroll r ROWS
        k_sums[(d + $uu) * ROWS + $ru] = k_sum$r;
        v_sums[(d + $uu) * ROWS + $ru] = v_sum$r;
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
        store_d_qkv(at + d, k_sums[d * ROWS + r]);
        store_d_qkv(at + HEADS * HEAD + d, v_sums[d * ROWS + r]);
      }
    }
  }
}
//#endif
