// Multi-head attention over packed projections: qkv is [batch, TOKENS, q | k | v], HEADS * 64 floats wide each; head h
// owns columns 64 h .. 64 h + 63 of each. With s_ij = q_i . k_j / 8 over the keys j (j <= i when CAUSAL):
//   forward  lse_i = log sum_j exp s_ij,  P_ij = exp(s_ij - lse_i),  o_i = sum_j P_ij v_j
//   queries  D_i = do_i . o_i,  dS_ij = P_ij (do_i . v_j - D_i),  dq_i = sum_j dS_ij k_j / 8
//   keys     dk_j = sum_i dS_ij q_i / 8,  dv_j = sum_i P_ij do_i
//
// A workgroup owns 16 neighbouring rows of one head (queries, or keys in `keys`) and walks over the other side in
// chunks of 64 rows. Lane 16 g + t scores own rows 4 g .. 4 g + 3 against the others t, t + 16, t + 32, t + 48 of the
// chunk, leaves the weights in workgroup memory, and then sums up columns 4 t .. 4 t + 3 of the same own rows. That is
// half a load a product, a few dozen registers, and every sum in a fixed order. Rows beyond the last one read it and get
// no weight. The softmax is exact: sums are rescaled when a chunk holds a larger score.
//
// Arrays are of four values an element, 16 a row of a head, except lse and delta: [batch, HEADS, TOKENS].

//#include attention_layout

const OWN = 16u;
const CHUNK = 64u;

// One vec4f holds values of four own rows: [row of the chunk][g].
var<workgroup> weights: array<vec4f, 256>;
// [t][g]
var<workgroup> partial: array<vec4f, 64>;

//#if FORWARD
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let g = lane / 16u;
  let t = lane % 16u;
  let own = group.x * OWN + g * 4u;
  let rows = vec4u(own, own + 1u, own + 2u, own + 3u);
  //#unroll r 4
  let q_at$r = qkv_row(batch, own + $ru, 0u, head);
  var o$r = vec4f(0.0);
  //#end
  var highest = vec4f(LOWEST);
  var sum = vec4f(0.0);

  let end = select(TOKENS, min(group.x * OWN + OWN, TOKENS), CAUSAL);
  for (var chunk = 0u; chunk < end; chunk += CHUNK) {
    //#unroll e 4
    let other$e = chunk + t + $eu * 16u;
    let k_at$e = qkv_row(batch, other$e, 1u, head);
    var s$e = vec4f(0.0);
    //#end
    for (var d = 0u; d < HEAD; d++) {
      //#unroll r 4
      let q$r = load_qkv(q_at$r + d);
      //#end
      //#unroll e 4
      let k$e = load_qkv(k_at$e + d);
      s$e += vec4f(dot(q0, k$e), dot(q1, k$e), dot(q2, k$e), dot(q3, k$e));
      //#end
    }
    var most = vec4f(LOWEST);
    //#unroll e 4
    let seen$e = vec4<bool>(other$e < end) & (vec4u(select(0u, other$e, CAUSAL)) <= rows);
    s$e = select(vec4f(LOWEST), s$e * SCALE, seen$e);
    most = max(most, s$e);
    //#end
    partial[t * 4u + g] = most;
    workgroupBarrier();
    let before = highest;
    for (var i = 0u; i < 16u; i++) {
      highest = max(highest, partial[i * 4u + g]);
    }
    //#unroll e 4
    weights[(t + $eu * 16u) * 4u + g] = select(vec4f(0.0), exp(s$e - highest), seen$e);
    //#end
    workgroupBarrier();

    let shrink = exp(before - highest);
    sum *= shrink;
    //#unroll r 4
    o$r *= shrink[$r];
    //#end
    let count = min(CHUNK, end - chunk);
    for (var i = 0u; i < count; i++) {
      let p = weights[i * 4u + g];
      let v = load_qkv(qkv_row(batch, chunk + i, 2u, head) + t);
      sum += p;
      //#unroll r 4
      o$r = fma(vec4f(p[$r]), v, o$r);
      //#end
    }
  }

  //#unroll r 4
  if (own + $ru < TOKENS) {
    store_o(o_row(batch, own + $ru, head) + t, o$r / sum[$r]);
    //#if STORE_LSE
    if (t == 0u) {
      lse[scalar_at(batch, own + $ru, head)] = highest[$r] + log(sum[$r]);
    }
    //#endif
  }
  //#end
}
//#endif

//#if QUERIES
@compute @workgroup_size(64)
fn queries(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let g = lane / 16u;
  let t = lane % 16u;
  let own = group.x * OWN + g * 4u;
  let rows = vec4u(own, own + 1u, own + 2u, own + 3u);
  var products = vec4f(0.0);
  var lse_own = vec4f(0.0);
  //#unroll r 4
  let q_at$r = qkv_row(batch, own + $ru, 0u, head);
  let o_at$r = o_row(batch, own + $ru, head);
  products[$r] = dot(load_d_o(o_at$r + t), load_o(o_at$r + t));
  lse_own[$r] = lse[scalar_at(batch, own + $ru, head)];
  var dq$r = vec4f(0.0);
  //#end
  partial[t * 4u + g] = products;
  workgroupBarrier();
  var delta_own = vec4f(0.0);
  for (var i = 0u; i < 16u; i++) {
    delta_own += partial[i * 4u + g];
  }

  let end = select(TOKENS, min(group.x * OWN + OWN, TOKENS), CAUSAL);
  for (var chunk = 0u; chunk < end; chunk += CHUNK) {
    //#unroll e 4
    let other$e = chunk + t + $eu * 16u;
    let k_at$e = qkv_row(batch, other$e, 1u, head);
    let v_at$e = qkv_row(batch, other$e, 2u, head);
    var s$e = vec4f(0.0);
    var dp$e = vec4f(0.0);
    //#end
    for (var d = 0u; d < HEAD; d++) {
      //#unroll r 4
      let q$r = load_qkv(q_at$r + d);
      let do$r = load_d_o(o_at$r + d);
      //#end
      //#unroll e 4
      let k$e = load_qkv(k_at$e + d);
      s$e += vec4f(dot(q0, k$e), dot(q1, k$e), dot(q2, k$e), dot(q3, k$e));
      let v$e = load_qkv(v_at$e + d);
      dp$e += vec4f(dot(do0, v$e), dot(do1, v$e), dot(do2, v$e), dot(do3, v$e));
      //#end
    }
    //#unroll e 4
    let seen$e = vec4<bool>(other$e < end) & (vec4u(select(0u, other$e, CAUSAL)) <= rows);
    let p$e = select(vec4f(0.0), exp(s$e * SCALE - lse_own), seen$e);
    weights[(t + $eu * 16u) * 4u + g] = p$e * (dp$e - delta_own) * SCALE;
    //#end
    workgroupBarrier();
    let count = min(CHUNK, end - chunk);
    for (var i = 0u; i < count; i++) {
      let ds = weights[i * 4u + g];
      let k = load_qkv(qkv_row(batch, chunk + i, 1u, head) + t);
      //#unroll r 4
      dq$r = fma(vec4f(ds[$r]), k, dq$r);
      //#end
    }
    workgroupBarrier();
  }

  //#unroll r 4
  if (own + $ru < TOKENS) {
    store_d_qkv(q_at$r + t, dq$r);
    if (t == 0u) {
      delta[scalar_at(batch, own + $ru, head)] = delta_own[$r];
    }
  }
  //#end
}
//#endif

//#if KEYS
// dS beside P of `weights`.
var<workgroup> slopes: array<vec4f, 256>;

@compute @workgroup_size(64)
fn keys(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let g = lane / 16u;
  let t = lane % 16u;
  let own = group.x * OWN + g * 4u;
  let rows = vec4u(own, own + 1u, own + 2u, own + 3u);
  //#unroll r 4
  let k_at$r = qkv_row(batch, own + $ru, 1u, head);
  let v_at$r = qkv_row(batch, own + $ru, 2u, head);
  var dk$r = vec4f(0.0);
  var dv$r = vec4f(0.0);
  //#end

  for (var chunk = select(0u, group.x * OWN, CAUSAL); chunk < TOKENS; chunk += CHUNK) {
    //#unroll e 4
    let other$e = chunk + t + $eu * 16u;
    let q_at$e = qkv_row(batch, other$e, 0u, head);
    let o_at$e = o_row(batch, other$e, head);
    var s$e = vec4f(0.0);
    var dp$e = vec4f(0.0);
    //#end
    for (var d = 0u; d < HEAD; d++) {
      //#unroll r 4
      let k$r = load_qkv(k_at$r + d);
      let v$r = load_qkv(v_at$r + d);
      //#end
      //#unroll e 4
      let q$e = load_qkv(q_at$e + d);
      s$e += vec4f(dot(q$e, k0), dot(q$e, k1), dot(q$e, k2), dot(q$e, k3));
      let do$e = load_d_o(o_at$e + d);
      dp$e += vec4f(dot(do$e, v0), dot(do$e, v1), dot(do$e, v2), dot(do$e, v3));
      //#end
    }
    //#unroll e 4
    let seen$e = vec4<bool>(other$e < TOKENS) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(other$e));
    let scalar_at$e = scalar_at(batch, other$e, head);
    let p$e = select(vec4f(0.0), exp(s$e * SCALE - lse[scalar_at$e]), seen$e);
    weights[(t + $eu * 16u) * 4u + g] = p$e;
    slopes[(t + $eu * 16u) * 4u + g] = p$e * (dp$e - delta[scalar_at$e]) * SCALE;
    //#end
    workgroupBarrier();
    let count = min(CHUNK, TOKENS - chunk);
    for (var i = 0u; i < count; i++) {
      let p = weights[i * 4u + g];
      let ds = slopes[i * 4u + g];
      let q = load_qkv(qkv_row(batch, chunk + i, 0u, head) + t);
      let do_i = load_d_o(o_row(batch, chunk + i, head) + t);
      //#unroll r 4
      dk$r = fma(vec4f(ds[$r]), q, dk$r);
      dv$r = fma(vec4f(p[$r]), do_i, dv$r);
      //#end
    }
    workgroupBarrier();
  }

  //#unroll r 4
  if (own + $ru < TOKENS) {
    store_d_qkv(k_at$r + t, dk$r);
    store_d_qkv(v_at$r + t, dv$r);
  }
  //#end
}
//#endif
