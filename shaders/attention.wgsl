// Multi-head attention over packed projections: qkv is [batch, TOKENS, q | k | v], each WIDTH floats wide; head h owns
// columns 64 h .. 64 h + 63 of each. With s_ij = q_i . k_j / 8 over the keys j (j <= i when CAUSAL):
//   forward    lse_i = log sum_j exp s_ij,  P_ij = exp(s_ij - lse_i),  o_i = sum_j P_ij v_j
//   queries    D_i = do_i . o_i,  dS_ij = P_ij (do_i . v_j - D_i),  dq_i = sum_j dS_ij k_j / 8
//   keys       dk_j = sum_i dS_ij q_i / 8,  dv_j = sum_i P_ij do_i
// An invocation owns ROWS neighbouring rows of one head (queries, or keys in `keys`) and keeps them and its sums in
// registers, while it walks over the other side: everyone in a workgroup reads the same row at the same time, there is
// no workgroup memory, no barrier and no atomic, and the order of every sum is fixed. The softmax is exact: its sums
// are rescaled whenever a larger score comes up.
// All arrays are of vec4f (16 a head) except lse and delta, [batch, HEADS, TOKENS].

const HEAD = 16u;
const SCALE = 0.125f;
const LOWEST = -3.0e38f;

fn qkv_row(batch: u32, token: u32, part: u32, head: u32) -> u32 {
  return ((batch * TOKENS + token) * 3u + part) * HEADS * HEAD + head * HEAD;
}

fn o_row(batch: u32, token: u32, head: u32) -> u32 {
  return ((batch * TOKENS + token) * HEADS + head) * HEAD;
}

fn total(v: vec4f) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

//#if FORWARD
@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let head = id.y;
  let batch = id.z;
  let first = id.x * ROWS;
  if (first >= TOKENS) { return; }
  // Rows beyond the last one repeat it and are not stored.
  //#unroll r ROWS
  let row$r = min(first + $ru, TOKENS - 1u);
  let q_at$r = qkv_row(batch, row$r, 0u, head);
  var highest$r = LOWEST;
  var sum$r = 0.0;
  //#unroll d 16
  let q$r_$d = qkv[q_at$r + $du];
  var o$r_$d = vec4f(0.0);
  //#end
  //#end

  let keys = select(TOKENS, min(first + ROWS, TOKENS), CAUSAL);
  for (var j = 0u; j < keys; j++) {
    let k_at = qkv_row(batch, j, 1u, head);
    //#unroll r ROWS
    var s$r = vec4f(0.0);
    //#end
    //#unroll d 16
    let k$d = qkv[k_at + $du];
    //#unroll r ROWS
    s$r = fma(q$r_$d, k$d, s$r);
    //#end
    //#end
    //#unroll r ROWS
    let seen$r = !CAUSAL || j <= row$r;
    let score$r = total(s$r) * SCALE;
    if (seen$r && score$r > highest$r) {
      let shrink = exp(highest$r - score$r);
      highest$r = score$r;
      sum$r *= shrink;
      //#unroll d 16
      o$r_$d *= shrink;
      //#end
    }
    let p$r = select(0.0, exp(score$r - highest$r), seen$r);
    sum$r += p$r;
    //#end
    let v_at = qkv_row(batch, j, 2u, head);
    //#unroll d 16
    let v$d = qkv[v_at + $du];
    //#unroll r ROWS
    o$r_$d = fma(vec4f(p$r), v$d, o$r_$d);
    //#end
    //#end
  }

  //#unroll r ROWS
  if (first + $ru < TOKENS) {
    let o_at = o_row(batch, row$r, head);
    let scale = 1.0 / sum$r;
    //#unroll d 16
    o[o_at + $du] = o$r_$d * scale;
    //#end
    //#if STORE_LSE
    lse[(batch * HEADS + head) * TOKENS + row$r] = highest$r + log(sum$r);
    //#endif
  }
  //#end
}
//#endif

//#if QUERIES
@compute @workgroup_size(WORKGROUP)
fn queries(@builtin(global_invocation_id) id: vec3u) {
  let head = id.y;
  let batch = id.z;
  let first = id.x * ROWS;
  if (first >= TOKENS) { return; }
  //#unroll r ROWS
  let row$r = min(first + $ru, TOKENS - 1u);
  let scalar_at$r = (batch * HEADS + head) * TOKENS + row$r;
  let q_at$r = qkv_row(batch, row$r, 0u, head);
  let o_at$r = o_row(batch, row$r, head);
  let lse$r = lse[scalar_at$r];
  var products$r = vec4f(0.0);
  //#unroll d 16
  let q$r_$d = qkv[q_at$r + $du];
  let do$r_$d = d_o[o_at$r + $du];
  products$r = fma(do$r_$d, o[o_at$r + $du], products$r);
  var dq$r_$d = vec4f(0.0);
  //#end
  let delta$r = total(products$r);
  //#end

  let keys = select(TOKENS, min(first + ROWS, TOKENS), CAUSAL);
  for (var j = 0u; j < keys; j++) {
    let k_at = qkv_row(batch, j, 1u, head);
    let v_at = qkv_row(batch, j, 2u, head);
    //#unroll r ROWS
    var s$r = vec4f(0.0);
    var dp$r = vec4f(0.0);
    //#end
    //#unroll d 16
    let k$d = qkv[k_at + $du];
    let v$d = qkv[v_at + $du];
    //#unroll r ROWS
    s$r = fma(q$r_$d, k$d, s$r);
    dp$r = fma(do$r_$d, v$d, dp$r);
    //#end
    //#end
    //#unroll r ROWS
    let p$r = select(0.0, exp(total(s$r) * SCALE - lse$r), !CAUSAL || j <= row$r);
    let ds$r = vec4f(p$r * (total(dp$r) - delta$r) * SCALE);
    //#end
    //#unroll d 16
    //#unroll r ROWS
    dq$r_$d = fma(ds$r, k$d, dq$r_$d);
    //#end
    //#end
  }

  //#unroll r ROWS
  if (first + $ru < TOKENS) {
    delta[scalar_at$r] = delta$r;
    //#unroll d 16
    d_qkv[q_at$r + $du] = dq$r_$d;
    //#end
  }
  //#end
}
//#endif

//#if KEYS
@compute @workgroup_size(WORKGROUP)
fn keys(@builtin(global_invocation_id) id: vec3u) {
  let head = id.y;
  let batch = id.z;
  let first = id.x * ROWS;
  if (first >= TOKENS) { return; }
  //#unroll r ROWS
  let row$r = min(first + $ru, TOKENS - 1u);
  let k_at$r = qkv_row(batch, row$r, 1u, head);
  let v_at$r = qkv_row(batch, row$r, 2u, head);
  //#unroll d 16
  let k$r_$d = qkv[k_at$r + $du];
  //#if DK
  let v$r_$d = qkv[v_at$r + $du];
  var dk$r_$d = vec4f(0.0);
  //#endif
  //#if DV
  var dv$r_$d = vec4f(0.0);
  //#endif
  //#end
  //#end

  for (var i = select(0u, first, CAUSAL); i < TOKENS; i++) {
    let q_at = qkv_row(batch, i, 0u, head);
    let o_at = o_row(batch, i, head);
    let scalar_at = (batch * HEADS + head) * TOKENS + i;
    //#unroll r ROWS
    var s$r = vec4f(0.0);
    var dp$r = vec4f(0.0);
    //#end
    //#unroll d 16
    let q$d = qkv[q_at + $du];
    let do$d = d_o[o_at + $du];
    //#unroll r ROWS
    s$r = fma(k$r_$d, q$d, s$r);
    //#if DK
    dp$r = fma(v$r_$d, do$d, dp$r);
    //#endif
    //#end
    //#end
    //#unroll r ROWS
    let p$r = select(0.0, exp(total(s$r) * SCALE - lse[scalar_at]), !CAUSAL || row$r <= i);
    //#if DK
    let ds$r = vec4f(p$r * (total(dp$r) - delta[scalar_at]) * SCALE);
    //#endif
    //#end
    //#unroll d 16
    //#unroll r ROWS
    //#if DV
    dv$r_$d = fma(vec4f(p$r), do$d, dv$r_$d);
    //#endif
    //#if DK
    dk$r_$d = fma(ds$r, q$d, dk$r_$d);
    //#endif
    //#end
    //#end
  }

  //#unroll r ROWS
  if (first + $ru < TOKENS) {
    //#unroll d 16
    //#if DK
    d_qkv[k_at$r + $du] = dk$r_$d;
    //#endif
    //#if DV
    d_qkv[v_at$r + $du] = dv$r_$d;
    //#endif
    //#end
  }
  //#end
}
//#endif
