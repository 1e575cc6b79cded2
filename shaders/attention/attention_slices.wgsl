// Attention (the maths is in attention.wgsl) for CPU adapters, whose subgroups are vectors of the CPU. There a load is done
// lane by lane with a branch each, a barrier suspends a workgroup, and moving a value between lanes costs next to nothing. So
// a workgroup is one subgroup without workgroup memory. It owns ROWS rows of a head (queries, or keys in `keys`), of which
// every lane holds one slice in registers: vectors lane, lane + LANES, ..., SLICES of them. Rows of the other side are loaded
// once each, slice by slice, and serve all ROWS rows; products are summed over the lanes. Every sum is in a fixed order.
//
// Rows beyond the last one read it and get no weight. The softmax is exact: sums are rescaled when a block of LANES keys
// holds a larger score. Scores are in base 2.
//
// Loops over VALUES = ROWS * SLICES that pick one register each look odd, but hold one load where ROWS * SLICES would be
// written out: compiling a load takes such an adapter some 50 ms. Their bounds are hidden from the compiler, which would unroll
// them.

enable subgroups;

//#include attention_layout

const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;

fn add_lanes(x: vec2f) -> vec2f {
  var sum = x + subgroupShuffleXor(x, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  if (LANES > 4u) { sum += subgroupShuffleXor(sum, 4u); }
  if (LANES > 8u) { sum += subgroupShuffleXor(sum, 8u); }
  return sum;
}

fn add_lane(x: f32) -> f32 {
  var sum = x + subgroupShuffleXor(x, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  if (LANES > 4u) { sum += subgroupShuffleXor(sum, 4u); }
  if (LANES > 8u) { sum += subgroupShuffleXor(sum, 8u); }
  return sum;
}

fn max_lane(x: f32) -> f32 {
  var largest = max(x, subgroupShuffleXor(x, 1u));
  largest = max(largest, subgroupShuffleXor(largest, 2u));
  if (LANES > 4u) { largest = max(largest, subgroupShuffleXor(largest, 4u)); }
  if (LANES > 8u) { largest = max(largest, subgroupShuffleXor(largest, 8u)); }
  return largest;
}

//#if FORWARD
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * ROWS;
  let values = min(VALUES, arrayLength(&o));
  //#unroll r ROWS
  var highest$r = LOWEST;
  var total$r = 0.0;
  //#unroll c SLICES
  var q$r_$c = vec4f(0.0);
  var sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / SLICES, 0u, head) + i % SLICES * LANES + lane;
    let value = load_qkv(at) * (SCALE * LOG2_E);
    //#unroll r ROWS
    //#unroll c SLICES
    q$r_$c = select(q$r_$c, value, i == $ru * SLICES + $cu);
    //#end
    //#end
  }

  let end = select(TOKENS, min(first + ROWS, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += LANES) {
    let keys = min(LANES, end - block);
    // Lane l gets the scores of key block + l.
    //#unroll r ROWS
    var s$r = LOWEST;
    //#end
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 1u, head) + lane;
      //#unroll c SLICES
      let k$c = load_qkv(at + $cu * LANES);
      //#end
      //#unroll r ROWS
      var product$r = 0.0;
      //#unroll c SLICES
      product$r += dot(q$r_$c, k$c);
      //#end
      s$r = select(s$r, add_lane(product$r), e == lane);
      //#end
    }
    //#unroll r ROWS
    s$r = select(s$r, LOWEST, CAUSAL & (block + lane > first + $ru));
    let most$r = max(highest$r, max_lane(s$r));
    let shrink$r = exp2(highest$r - most$r);
    let p$r = exp2(s$r - most$r);
    highest$r = most$r;
    total$r = total$r * shrink$r + p$r;
    //#unroll c SLICES
    sum$r_$c *= shrink$r;
    //#end
    //#end
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 2u, head) + lane;
      //#unroll c SLICES
      let v$c = load_qkv(at + $cu * LANES);
      //#end
      //#unroll r ROWS
      let weight$r = subgroupShuffle(p$r, e);
      //#unroll c SLICES
      sum$r_$c += weight$r * v$c;
      //#end
      //#end
    }
  }

  //#unroll r ROWS
  total$r = sum_under(highest$r, add_lane(total$r));
  //#end
  for (var i = 0u; i < values; i++) {
    let token = first + i / SLICES;
    var value = vec4f(0.0);
    var sums = vec2f(0.0, 1.0);
    //#unroll r ROWS
    sums = select(sums, vec2f(highest$r, total$r), i / SLICES == $ru);
    //#unroll c SLICES
    value = select(value, sum$r_$c, i == $ru * SLICES + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      store_o(o_row(batch, token, head) + i % SLICES * LANES + lane, value * (1.0 / sums.y));
      //#if STORE_LSE
      if (lane == 0u && i % SLICES == 0u) {
        lse[scalar_at(batch, token, head)] = select((sums.x + log2(sums.y)) * LN_2, sums.y, is_nan(sums.y));
      }
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
  let first = group.x * ROWS;
  let values = min(VALUES, arrayLength(&d_qkv));
  //#unroll r ROWS
  var delta$r = 0.0;
  var log$r = 0.0;
  //#unroll c SLICES
  var q$r_$c = vec4f(0.0);
  var g$r_$c = vec4f(0.0);
  var sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let token = first + i / SLICES;
    let at = i % SLICES * LANES + lane;
    let value = load_qkv(qkv_row(batch, token, 0u, head) + at) * (SCALE * LOG2_E);
    let slope = load_d_o(o_row(batch, token, head) + at);
    let product = dot(slope, load_o(o_row(batch, token, head) + at));
    let log_sum = lse[scalar_at(batch, token, head)] * LOG2_E;
    //#unroll r ROWS
    delta$r += select(0.0, product, i / SLICES == $ru);
    log$r = select(log$r, log_sum, i / SLICES == $ru);
    //#unroll c SLICES
    q$r_$c = select(q$r_$c, value, i == $ru * SLICES + $cu);
    g$r_$c = select(g$r_$c, slope, i == $ru * SLICES + $cu);
    //#end
    //#end
  }
  //#unroll r ROWS
  delta$r = add_lane(delta$r);
  //#end

  let end = select(TOKENS, min(first + ROWS, TOKENS), CAUSAL);
  for (var key = 0u; key < end; key++) {
    let at = qkv_row(batch, key, 1u, head) + lane;
    //#unroll c SLICES
    let k$c = load_qkv(at + $cu * LANES);
    let v$c = load_qkv(at + HEADS * HEAD + $cu * LANES);
    //#end
    //#unroll r ROWS
    var products$r = vec2f(0.0);
    //#unroll c SLICES
    products$r += vec2f(dot(q$r_$c, k$c), dot(g$r_$c, v$c));
    //#end
    products$r = add_lanes(products$r);
    let slope$r = exp2(products$r.x - log$r) * (products$r.y - delta$r) * SCALE;
    let ds$r = select(slope$r, 0.0, CAUSAL & (key > first + $ru));
    //#unroll c SLICES
    sum$r_$c += ds$r * k$c;
    //#end
    //#end
  }

  for (var i = 0u; i < values; i++) {
    let token = first + i / SLICES;
    var value = vec4f(0.0);
    var products = 0.0;
    //#unroll r ROWS
    products = select(products, delta$r, i / SLICES == $ru);
    //#unroll c SLICES
    value = select(value, sum$r_$c, i == $ru * SLICES + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      store_d_qkv(qkv_row(batch, token, 0u, head) + i % SLICES * LANES + lane, value);
      if (lane == 0u && i % SLICES == 0u) { delta[scalar_at(batch, token, head)] = products; }
    }
  }
}
//#endif

//#if KEYS
@compute @workgroup_size(LANES)
fn keys(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * ROWS;
  let values = min(VALUES, arrayLength(&d_qkv));
  //#unroll r ROWS
  //#unroll c SLICES
  var k$r_$c = vec4f(0.0);
  var v$r_$c = vec4f(0.0);
  var k_sum$r_$c = vec4f(0.0);
  var v_sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / SLICES, 1u, head) + i % SLICES * LANES + lane;
    let k = load_qkv(at) * (SCALE * LOG2_E);
    let v = load_qkv(at + HEADS * HEAD);
    //#unroll r ROWS
    //#unroll c SLICES
    k$r_$c = select(k$r_$c, k, i == $ru * SLICES + $cu);
    v$r_$c = select(v$r_$c, v, i == $ru * SLICES + $cu);
    //#end
    //#end
  }

  for (var query = select(0u, first, CAUSAL); query < TOKENS; query++) {
    let q_at = qkv_row(batch, query, 0u, head) + lane;
    let o_at = o_row(batch, query, head) + lane;
    let log_sum = lse[scalar_at(batch, query, head)] * LOG2_E;
    let products = delta[scalar_at(batch, query, head)];
    //#unroll c SLICES
    let q$c = load_qkv(q_at + $cu * LANES);
    let g$c = load_d_o(o_at + $cu * LANES);
    //#end
    //#unroll r ROWS
    var products$r = vec2f(0.0);
    //#unroll c SLICES
    products$r += vec2f(dot(k$r_$c, q$c), dot(v$r_$c, g$c));
    //#end
    products$r = add_lanes(products$r);
    let p$r = select(exp2(products$r.x - log_sum), 0.0, CAUSAL & (first + $ru > query));
    let ds$r = p$r * (products$r.y - products) * SCALE;
    //#unroll c SLICES
    k_sum$r_$c += ds$r * q$c;
    v_sum$r_$c += p$r * g$c;
    //#end
    //#end
  }

  for (var i = 0u; i < values; i++) {
    let token = first + i / SLICES;
    var k = vec4f(0.0);
    var v = vec4f(0.0);
    //#unroll r ROWS
    //#unroll c SLICES
    k = select(k, k_sum$r_$c, i == $ru * SLICES + $cu);
    v = select(v, v_sum$r_$c, i == $ru * SLICES + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 1u, head) + i % SLICES * LANES + lane;
      store_d_qkv(at, k);
      store_d_qkv(at + HEADS * HEAD, v);
    }
  }
}
//#endif
