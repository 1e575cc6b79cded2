// Tensor-core attention, backward; attention_tensor_core.wgsl says how it works. P is computed again from the scores and lse.
//
// Bindings and sizes: attention_layout.wgsl; qkv, o, d_o and d_qkv are float16. Constants: attention_tensor_core_common.wgsl

//#include attention_tensor_core_common

//#if BACKWARD_DQ
//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn backward_dq(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  //#include attention_tensor_core_tile

  load_shared_qkv(index, 0u, TILE, batch, first, 0u, head);
  //#include attention_tensor_core_load left=q
  load_shared_d_o(index, 0u, TILE, batch, first, head);
  //#include attention_tensor_core_load left=g

  var product = 0.0;
  for (var c = row_lane; c < HEAD; c += LANES_PER_ROW) {
    let at = o_row(batch, token, head) + c;
    product += dot(load_d_o(at), load_o(at));
  }
  let delta_tile = sum_over_row(product);
  let log_sum = lse[scalar_at(batch, token, head)] * LOG2_E;
  if (row_lane == 0u && token < TOKENS) { delta[scalar_at(batch, token, head)] = delta_tile; }

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  let seen = select(TOKENS, min(token + 1u, TOKENS), CAUSAL);
  //#unroll h BLOCKS_PER_HEAD
  //#unroll j N_FRAGMENTS
  var dq$h_$j: Sum;
  //#end
  //#end
  for (var block = 0u; block < end; block += BLOCK) {
    workgroupBarrier();
    load_shared_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    load_shared_qkv(index, BLOCK, BLOCK, batch, block, 2u, head);
    workgroupBarrier();
    //#include attention_tensor_core_scores left=q start=0u
    //#unroll c VECTORS_PER_LANE
    let p$c = exp2(scores[row * SCORES_STRIDE + row_lane * VECTORS_PER_LANE + $cu] * (SCALE * LOG2_E) - log_sum);
    //#end
    workgroupBarrier();
    //#include attention_tensor_core_scores left=g start=BLOCK
    //#unroll c VECTORS_PER_LANE
    {
      let at = row_lane * VECTORS_PER_LANE + $cu;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let ds = p$c * (scores[row * SCORES_STRIDE + at] - delta_tile) * SCALE;
      store_weights(row, at, select(vec4f(0.0), ds, inside));
    }
    //#end
    //#include attention_tensor_core_accumulate sums=dq start=0u
  }

  let dq_at = qkv_row(batch, token, 0u, head);
  //#include attention_tensor_core_store sums=dq store=store_d_qkv target=dq_at
}
//#endif

//#if BACKWARD_DKV
// lse (in base 2) and delta of a block's queries.
var<workgroup> logs: array<f32, BLOCK>;
var<workgroup> deltas: array<f32, BLOCK>;

//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn backward_dkv(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  //#include attention_tensor_core_tile

  load_shared_qkv(index, 0u, TILE, batch, first, 1u, head);
  //#include attention_tensor_core_load left=k
  load_shared_qkv(index, 0u, TILE, batch, first, 2u, head);
  //#include attention_tensor_core_load left=v

  //#unroll h BLOCKS_PER_HEAD
  //#unroll j N_FRAGMENTS
  var dk$h_$j: Sum;
  var dv$h_$j: Sum;
  //#end
  //#end
  for (var block = select(0u, first / BLOCK * BLOCK, CAUSAL); block < TOKENS; block += BLOCK) {
    workgroupBarrier();
    load_shared_qkv(index, 0u, BLOCK, batch, block, 0u, head);
    load_shared_d_o(index, BLOCK, BLOCK, batch, block, head);
    for (var i = index; i < BLOCK; i += INVOCATIONS) {
      let at = scalar_at(batch, block + i, head);
      logs[i] = lse[at] * LOG2_E;
      deltas[i] = delta[at];
    }
    workgroupBarrier();
    //#include attention_tensor_core_scores left=k start=0u
    //#unroll c VECTORS_PER_LANE
    let at$c = row_lane * VECTORS_PER_LANE + $cu;
    let query$c = vec4u(block + 4u * at$c) + vec4u(0u, 1u, 2u, 3u);
    let log$c = vec4f(logs[4u * at$c], logs[4u * at$c + 1u], logs[4u * at$c + 2u], logs[4u * at$c + 3u]);
    let inside$c = (query$c < vec4u(TOKENS)) & (vec4u(select(0u, token, CAUSAL)) <= query$c);
    let p$c = select(vec4f(0.0), exp2(scores[row * SCORES_STRIDE + at$c] * (SCALE * LOG2_E) - log$c), inside$c);
    store_weights(row, at$c, p$c);
    //#end
    //#include attention_tensor_core_accumulate sums=dv start=BLOCK
    //#include attention_tensor_core_scores left=v start=BLOCK
    //#unroll c VECTORS_PER_LANE
    {
      let at = 4u * at$c;
      let delta_of = vec4f(deltas[at], deltas[at + 1u], deltas[at + 2u], deltas[at + 3u]);
      store_weights(row, at$c, p$c * (scores[row * SCORES_STRIDE + at$c] - delta_of) * SCALE);
    }
    //#end
    //#include attention_tensor_core_accumulate sums=dk start=0u
  }

  let dk_at = qkv_row(batch, token, 1u, head);
  //#include attention_tensor_core_store sums=dk store=store_d_qkv target=dk_at
  let dv_at = qkv_row(batch, token, 2u, head);
  //#include attention_tensor_core_store sums=dv store=store_d_qkv target=dv_at
}
//#endif
