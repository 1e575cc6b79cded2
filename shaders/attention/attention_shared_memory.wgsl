// Shared-memory-tiled attention, in plain WGSL: forward and backward. With s_ij = q_i . k_j / 8 over the keys j (j <= i if CAUSAL):
//   forward        lse_i = log sum_j exp s_ij,  P_ij = exp(s_ij - lse_i),  o_i = sum_j P_ij v_j
//   backward_dq    D_i = do_i . o_i,  dS_ij = P_ij (do_i . v_j - D_i),  dq_i = sum_j dS_ij k_j / 8
//   backward_dkv   dk_j = sum_i dS_ij q_i / 8,  dv_j = sum_i P_ij do_i
//
// A workgroup has a tile of 32 neighbouring rows of one head: a query tile, or a key tile in `backward_dkv`. The rows of the other side
// are streamed through workgroup memory in chunks of 64. Lane 16 g + t has rows 4 g .. 4 g + 3 of the tile. It scores them against rows
// t, t + 16, t + 32, t + 48 of the chunk, and then sums up columns 4 t .. 4 t + 3 of the streamed rows by those scores' weights: both
// times sixteen sums in registers, to which eight loads of four values from workgroup memory add 64 products. Workgroup memory holds in
// turn
//   - a slice of the columns of tile and chunk, transposed
//   - the largest scores or other sums of the lanes, for their neighbours
//   - the weights of half a chunk, and the rows that they belong to
// in float32, whatever is stored, and fits into the 16 KiB that every adapter has. Strides put what is written or read at once into
// different banks, which are 128 bytes wide on every GPU. A last chunk of half the rows or less takes half the work.
//
// Every sum has a fixed order. Rows beyond the last one read it and get no weight. The softmax is exact: sums are rescaled when a
// chunk holds a larger score.
//
// Bindings, sizes and constants: attention_layout.wgsl

//#include attention_layout

// Lanes that have the same rows of the tile, and lanes of a workgroup.
const ROW_LANES = 16u;
const INVOCATIONS = 128u;
const TILE = 32u;
const CHUNK = 64u;
const HALF_CHUNK = 32u;
// A slice, in vectors of four columns, and the rows of it that all lanes load at once.
const SLICE = 8u;
const FETCH = INVOCATIONS / SLICE;

const TILE_STRIDE = TILE + 1u;
const STREAMED_AT = SLICE * TILE_STRIDE;
const STREAMED_STRIDE = CHUNK + 1u;
// A vec4f holds the weights of four rows of the tile.
const WEIGHTS_STRIDE = TILE / 4u + 1u;
const ROWS_AT = HALF_CHUNK * WEIGHTS_STRIDE;
var<workgroup> workgroup_memory: array<vec4f, max(STREAMED_AT + SLICE * STREAMED_STRIDE, ROWS_AT + HALF_CHUNK * HEAD)>;

fn load_q(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 0u, head) + d); }
fn load_k(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 1u, head) + d); }
fn load_v(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 2u, head) + d); }
//#if BACKWARD
fn load_do(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_d_o(o_row(batch, token, head) + d); }
//#endif

fn add_dot(a: vec4f, b: vec4f, sum: f32) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// Shows what a lane has of its rows to the other lanes with the same rows, which read it by `shared_by`.
fn share_sums(x: vec4f, g: u32, t: u32) {
  workgroupBarrier();
  workgroup_memory[t * WEIGHTS_STRIDE + g] = x;
  workgroupBarrier();
}

fn shared_by(t: u32, g: u32) -> vec4f { return workgroup_memory[t * WEIGHTS_STRIDE + g]; }

//#if FORWARD
@compute @workgroup_size(INVOCATIONS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  //#include attention_shared_memory_tile
  var highest = vec4f(LOWEST);
  // Of the streamed rows that this lane scores.
  var sum = vec4f(0.0);
  //#unroll r 4
  var o$r = vec4f(0.0);
  //#end

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var chunk = 0u; chunk < end; chunk += CHUNK) {
    let whole = chunk + HALF_CHUNK < end;
    //#include attention_shared_memory_scores scores=s tile=q streamed=k
    var most = highest;
    //#unroll e 4
    let streamed$e = chunk + t + $eu * ROW_LANES;
    let seen$e = vec4<bool>(streamed$e < end) & (vec4u(select(0u, streamed$e, CAUSAL)) <= rows);
    s$e = select(vec4f(LOWEST), s$e * SCALE, seen$e);
    most = max(most, s$e);
    //#end
    share_sums(most, g, t);
    for (var i = 0u; i < depth * ROW_LANES / SLICE; i++) {
      most = max(most, shared_by(i, g));
    }
    let shrink = exp(highest - most);
    highest = most;
    sum *= shrink;
    //#unroll r 4
    o$r *= shrink[$r];
    //#end
    //#unroll e 4
    let p$e = select(vec4f(0.0), exp(s$e - highest), seen$e);
    sum += p$e;
    //#end
    //#include attention_shared_memory_accumulate sums=o first=p0 second=p1 streamed=v start=0u
    //#include attention_shared_memory_accumulate sums=o first=p2 second=p3 streamed=v start=HALF_CHUNK
  }

  share_sums(sum, g, t);
  var total = vec4f(0.0);
  for (var i = 0u; i < depth * ROW_LANES / SLICE; i++) {
    total += shared_by(i, g);
  }
  //#unroll r 4
  total[$r] = sum_under(highest[$r], total[$r]);
  //#end
  //#unroll r 4
  if (rows[$r] < TOKENS) {
    store_o(o_row(batch, rows[$r], head) + t, o$r / total[$r]);
    //#if STORE_LSE
    if (t == 0u) {
      lse[scalar_at(batch, rows[$r], head)] = highest[$r] + log_of(total[$r]);
    }
    //#endif
  }
  //#end
}
//#endif

//#if BACKWARD_DQ
@compute @workgroup_size(INVOCATIONS)
fn backward_dq(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  //#include attention_shared_memory_tile
  var product = vec4f(0.0);
  var log_sum = vec4f(0.0);
  //#unroll r 4
  let o_at$r = o_row(batch, rows[$r], head) + t;
  product[$r] = dot(load_d_o(o_at$r), load_o(o_at$r));
  log_sum[$r] = lse[scalar_at(batch, rows[$r], head)];
  var dq$r = vec4f(0.0);
  //#end
  share_sums(product, g, t);
  var delta_tile = vec4f(0.0);
  for (var i = 0u; i < depth * ROW_LANES / SLICE; i++) {
    delta_tile += shared_by(i, g);
  }

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var chunk = 0u; chunk < end; chunk += CHUNK) {
    let whole = chunk + HALF_CHUNK < end;
    //#include attention_shared_memory_scores scores=s tile=q streamed=k
    //#include attention_shared_memory_scores scores=dp tile=do streamed=v
    //#unroll e 4
    let streamed$e = chunk + t + $eu * ROW_LANES;
    let seen$e = vec4<bool>(streamed$e < end) & (vec4u(select(0u, streamed$e, CAUSAL)) <= rows);
    let ds$e = select(vec4f(0.0), exp(s$e * SCALE - log_sum) * (dp$e - delta_tile) * SCALE, seen$e);
    //#end
    //#include attention_shared_memory_accumulate sums=dq first=ds0 second=ds1 streamed=k start=0u
    //#include attention_shared_memory_accumulate sums=dq first=ds2 second=ds3 streamed=k start=HALF_CHUNK
  }

  //#unroll r 4
  if (rows[$r] < TOKENS) {
    store_d_qkv(qkv_row(batch, rows[$r], 0u, head) + t, dq$r);
    if (t == 0u) {
      delta[scalar_at(batch, rows[$r], head)] = delta_tile[$r];
    }
  }
  //#end
}
//#endif

//#if BACKWARD_DKV
@compute @workgroup_size(INVOCATIONS)
fn backward_dkv(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  //#include attention_shared_memory_tile
  //#unroll r 4
  var dk$r = vec4f(0.0);
  var dv$r = vec4f(0.0);
  //#end

  let end = TOKENS;
  for (var chunk = select(0u, first, CAUSAL); chunk < end; chunk += CHUNK) {
    let whole = chunk + HALF_CHUNK < end;
    //#include attention_shared_memory_scores scores=s tile=k streamed=q
    //#unroll e 4
    let streamed$e = chunk + t + $eu * ROW_LANES;
    let scalar_at$e = scalar_at(batch, streamed$e, head);
    let seen$e = vec4<bool>(streamed$e < end) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(streamed$e));
    let p$e = select(vec4f(0.0), exp(s$e * SCALE - lse[scalar_at$e]), seen$e);
    //#end
    //#include attention_shared_memory_accumulate sums=dv first=p0 second=p1 streamed=do start=0u
    //#include attention_shared_memory_accumulate sums=dv first=p2 second=p3 streamed=do start=HALF_CHUNK
    //#include attention_shared_memory_scores scores=dp tile=v streamed=do
    //#unroll e 4
    let ds$e = p$e * (dp$e - delta[scalar_at$e]) * SCALE;
    //#end
    //#include attention_shared_memory_accumulate sums=dk first=ds0 second=ds1 streamed=q start=0u
    //#include attention_shared_memory_accumulate sums=dk first=ds2 second=ds3 streamed=q start=HALF_CHUNK
  }

  //#unroll r 4
  if (rows[$r] < TOKENS) {
    store_d_qkv(qkv_row(batch, rows[$r], 1u, head) + t, dk$r);
    store_d_qkv(qkv_row(batch, rows[$r], 2u, head) + t, dv$r);
  }
  //#end
}
//#endif
