// Tensor-core attention, forward (the maths is in attention_shared_memory.wgsl), on subgroup matrices: everything is float16 in storage,
// sums are float32, and the weights P and their gradients dS are rounded to float16 as operands. An adapter gets it only after it passed
// a numeric check there (KernelChecks).
//
// Each of four subgroups has MAT_M rows of the workgroup's query tile (key tile in `backward_dkv`), as left operands in registers. The
// other side is streamed through workgroup memory in blocks of BLOCK rows, as they are stored; the layout of the matrix load transposes
// where that is needed. A row there is padded by one unit of 16 bytes, which puts the rows that a matrix load reads at once into
// different banks.
//
// Sums have no elements in WGSL. The scores of a block therefore go through workgroup memory, where LANES_PER_ROW lanes a row turn them
// into weights. The sums of values would have to go through it too whenever a larger score rescales them; so `forward` walks twice, first
// for lse alone, then with weights that are final: three matrix products instead of two, and no second trip. Scores are in base 2.
//
// Rows beyond the last one read it, get no weight and are not stored.
//
// Bindings and sizes: attention_layout.wgsl; qkv, o, d_o and d_qkv are float16. Constants: attention_tensor_core_common.wgsl

//#include attention_tensor_core_common

//#if PINNED
@subgroup_size(LANES)
//#endif
@compute @workgroup_size(INVOCATIONS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  //#include attention_tensor_core_tile

  load_shared_qkv(index, 0u, TILE, batch, first, 0u, head);
  //#include attention_tensor_core_load left=q

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  let seen = select(TOKENS, min(token + 1u, TOKENS), CAUSAL);
  var highest = LOWEST;
  var total = 0.0;
  for (var block = 0u; block < end; block += BLOCK) {
    load_shared_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    workgroupBarrier();
    //#include attention_tensor_core_scores left=q start=0u
    for (var c = 0u; c < VECTORS_PER_LANE; c++) {
      let at = row_lane * VECTORS_PER_LANE + c;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let s = select(vec4f(LOWEST), scores[row * SCORES_STRIDE + at] * (SCALE * LOG2_E), inside);
      let most = max(max(highest, max(s.x, s.y)), max(s.z, s.w));
      let p = select(vec4f(0.0), exp2(s - most), inside);
      total = total * exp2(highest - most) + (p.x + p.y + p.z + p.w);
      highest = most;
    }
  }
  let most = max_over_row(highest);
  let log_sum = most + log2(sum_over_row(total * exp2(highest - most)));
  //#if STORE_LSE
  if (row_lane == 0u && token < TOKENS) { lse[scalar_at(batch, token, head)] = log_sum * LN_2; }
  //#endif

  //#unroll h BLOCKS_PER_HEAD
  //#unroll j N_FRAGMENTS
  var o$h_$j: Sum;
  //#end
  //#end
  for (var block = 0u; block < end; block += BLOCK) {
    workgroupBarrier();
    load_shared_qkv(index, 0u, BLOCK, batch, block, 1u, head);
    load_shared_qkv(index, BLOCK, BLOCK, batch, block, 2u, head);
    workgroupBarrier();
    //#include attention_tensor_core_scores left=q start=0u
    for (var c = 0u; c < VECTORS_PER_LANE; c++) {
      let at = row_lane * VECTORS_PER_LANE + c;
      let inside = vec4u(block + 4u * at) + vec4u(0u, 1u, 2u, 3u) < vec4u(seen);
      let p = exp2(scores[row * SCORES_STRIDE + at] * (SCALE * LOG2_E) - log_sum);
      store_weights(row, at, select(vec4f(0.0), p, inside));
    }
    //#include attention_tensor_core_accumulate sums=o start=BLOCK
  }

  let o_at = o_row(batch, token, head);
  //#include attention_tensor_core_store sums=o store=store_o target=o_at
}
