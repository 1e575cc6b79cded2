// The gradient of attention_matrix.wgsl, which says how it works. P is made again from the scores and lse.
// EXPERIMENTAL, as that is.

//#include attention_matrix_parts

//#if QUERIES
//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  let own = subgroup * MAT_M;
  // The row of this lane, in the workgroup and among all, and which vectors of a row of the strip it takes.
  let row = own + lane / PARTS;
  let token = first + row;
  let part = lane % PARTS;

  stage_qkv(index, 0u, OWN, batch, first, 0u, head);
  workgroupBarrier();
  //#unroll i LEFTS
  let q$i = subgroupMatrixLoad<Left, row_major>(&stage, own * STAGE + $iu * MAT_K / 8u, STAGE);
  //#end
  workgroupBarrier();
  stage_d_o(index, 0u, OWN, batch, first, head);
  workgroupBarrier();
  //#unroll i LEFTS
  let g$i = subgroupMatrixLoad<Left, row_major>(&stage, own * STAGE + $iu * MAT_K / 8u, STAGE);
  //#end
  workgroupBarrier();

  var product = 0.0;
  for (var c = part; c < HEAD; c += PARTS) {
    let at = o_row(batch, token, head) + c;
    product += dot(load_d_o(at), load_o(at));
  }
  let delta_own = add_parts(product);
  let log_sum = lse[scalar_at(batch, token, head)] * LOG2_E;
  if (part == 0u && token < TOKENS) { delta[scalar_at(batch, token, head)] = delta_own; }

  let end = select(TOKENS, min(first + OWN, TOKENS), CAUSAL);
  let seen = select(TOKENS, min(token + 1u, TOKENS), CAUSAL);
  //#unroll h HALVES
  //#unroll j SCORES
  var dq$h_$j: Sum;
  //#end
  //#end
  for (var block = 0u; block < end; block += BLOCK) {
    workgroupBarrier();
    stage_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    stage_qkv(index, BLOCK, BLOCK, batch, block, 2u, head);
    workgroupBarrier();
    score(
      own,
      0u,
      //#unroll i LEFTS
      q$i,
      //#end
    );
    workgroupBarrier();
    //#unroll c QUADS
    let p$c = exp2(strips[row * STRIP + part * QUADS + $cu] * (SCALE * LOG2_E) - log_sum);
    //#end
    workgroupBarrier();
    score(
      own,
      BLOCK,
      //#unroll i LEFTS
      g$i,
      //#end
    );
    workgroupBarrier();
    //#unroll c QUADS
    {
      let at = part * QUADS + $cu;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let ds = p$c * (strips[row * STRIP + at] - delta_own) * SCALE;
      store_weights(row, at, select(vec4f(0.0), ds, inside));
    }
    //#end
    workgroupBarrier();
    //#unroll q STEPS
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, own * WEIGHTS + $qu * MAT_K / 4u, WEIGHTS);
      let at = $qu * MAT_K * STAGE;
      //#unroll h HALVES
      //#unroll j SCORES
      dq$h_$j = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&stage, at + ($hu * BLOCK + $ju * MAT_N) / 8u, STAGE),
        dq$h_$j,
      );
      //#end
      //#end
    }
    //#end
  }

  //#unroll h HALVES
  workgroupBarrier();
  //#unroll j SCORES
  subgroupMatrixStore<row_major>(&strips, own * STRIP + $ju * MAT_N / 4u, dq$h_$j, STRIP);
  //#end
  workgroupBarrier();
  for (var c = 0u; c < QUADS && token < TOKENS; c++) {
    store_d_qkv(qkv_row(batch, token, 0u, head) + $hu * BLOCK / 4u + part * QUADS + c, strips[row * STRIP + part * QUADS + c]);
  }
  //#end
}
//#endif

//#if KEYS
// Of the queries of a block: lse in base 2, and delta.
var<workgroup> logs: array<f32, BLOCK>;
var<workgroup> deltas: array<f32, BLOCK>;

//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * OWN;
  let own = subgroup * MAT_M;
  // The row of this lane, in the workgroup and among all, and which vectors of a row of the strip it takes.
  let row = own + lane / PARTS;
  let token = first + row;
  let part = lane % PARTS;

  stage_qkv(index, 0u, OWN, batch, first, 1u, head);
  workgroupBarrier();
  //#unroll i LEFTS
  let k$i = subgroupMatrixLoad<Left, row_major>(&stage, own * STAGE + $iu * MAT_K / 8u, STAGE);
  //#end
  workgroupBarrier();
  stage_qkv(index, 0u, OWN, batch, first, 2u, head);
  workgroupBarrier();
  //#unroll i LEFTS
  let v$i = subgroupMatrixLoad<Left, row_major>(&stage, own * STAGE + $iu * MAT_K / 8u, STAGE);
  //#end
  workgroupBarrier();

  //#unroll h HALVES
  //#unroll j SCORES
  var dk$h_$j: Sum;
  //#end
  //#end
  //#unroll h HALVES
  //#unroll j SCORES
  var dv$h_$j: Sum;
  //#end
  //#end
  for (var block = select(0u, first / BLOCK * BLOCK, CAUSAL); block < TOKENS; block += BLOCK) {
    workgroupBarrier();
    stage_qkv(index, 0u, BLOCK, batch, block, 0u, head);
    stage_d_o(index, BLOCK, BLOCK, batch, block, head);
    for (var i = index; i < BLOCK; i += INVOCATIONS) {
      let at = scalar_at(batch, block + i, head);
      logs[i] = lse[at] * LOG2_E;
      deltas[i] = delta[at];
    }
    workgroupBarrier();
    score(
      own,
      0u,
      //#unroll i LEFTS
      k$i,
      //#end
    );
    workgroupBarrier();
    //#unroll c QUADS
    let at$c = part * QUADS + $cu;
    let query$c = vec4u(block + 4u * at$c) + vec4u(0u, 1u, 2u, 3u);
    let log$c = vec4f(logs[4u * at$c], logs[4u * at$c + 1u], logs[4u * at$c + 2u], logs[4u * at$c + 3u]);
    let inside$c = (query$c < vec4u(TOKENS)) & (vec4u(select(0u, token, CAUSAL)) <= query$c);
    let p$c = select(vec4f(0.0), exp2(strips[row * STRIP + at$c] * (SCALE * LOG2_E) - log$c), inside$c);
    store_weights(row, at$c, p$c);
    //#end
    workgroupBarrier();
    //#unroll q STEPS
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, own * WEIGHTS + $qu * MAT_K / 4u, WEIGHTS);
      let at = (BLOCK + $qu * MAT_K) * STAGE;
      //#unroll h HALVES
      //#unroll j SCORES
      dv$h_$j = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&stage, at + ($hu * BLOCK + $ju * MAT_N) / 8u, STAGE),
        dv$h_$j,
      );
      //#end
      //#end
    }
    //#end
    score(
      own,
      BLOCK,
      //#unroll i LEFTS
      v$i,
      //#end
    );
    workgroupBarrier();
    //#unroll c QUADS
    {
      let at = 4u * at$c;
      let delta_of = vec4f(deltas[at], deltas[at + 1u], deltas[at + 2u], deltas[at + 3u]);
      store_weights(row, at$c, p$c * (strips[row * STRIP + at$c] - delta_of) * SCALE);
    }
    //#end
    workgroupBarrier();
    //#unroll q STEPS
    {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, own * WEIGHTS + $qu * MAT_K / 4u, WEIGHTS);
      let at = $qu * MAT_K * STAGE;
      //#unroll h HALVES
      //#unroll j SCORES
      dk$h_$j = subgroupMatrixMultiplyAccumulate(
        left,
        subgroupMatrixLoad<Right, row_major>(&stage, at + ($hu * BLOCK + $ju * MAT_N) / 8u, STAGE),
        dk$h_$j,
      );
      //#end
      //#end
    }
    //#end
  }

  //#unroll h HALVES
  workgroupBarrier();
  //#unroll j SCORES
  subgroupMatrixStore<row_major>(&strips, own * STRIP + $ju * MAT_N / 4u, dk$h_$j, STRIP);
  //#end
  workgroupBarrier();
  for (var c = 0u; c < QUADS && token < TOKENS; c++) {
    store_d_qkv(qkv_row(batch, token, 1u, head) + $hu * BLOCK / 4u + part * QUADS + c, strips[row * STRIP + part * QUADS + c]);
  }
  //#end
  //#unroll h HALVES
  workgroupBarrier();
  //#unroll j SCORES
  subgroupMatrixStore<row_major>(&strips, own * STRIP + $ju * MAT_N / 4u, dv$h_$j, STRIP);
  //#end
  workgroupBarrier();
  for (var c = 0u; c < QUADS && token < TOKENS; c++) {
    store_d_qkv(qkv_row(batch, token, 2u, head) + $hu * BLOCK / 4u + part * QUADS + c, strips[row * STRIP + part * QUADS + c]);
  }
  //#end
}
//#endif
