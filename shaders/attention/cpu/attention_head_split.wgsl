// Attention with the columns of a head split over the lanes of a subgroup, forward and backward (the maths is in
// attention_shared_memory.wgsl), for software adapters whose subgroups are vectors of the CPU. There a load is done lane by lane with a
// branch each, a barrier suspends a workgroup, and moving a value between lanes costs next to nothing. So a workgroup is one subgroup
// without workgroup memory. It has a tile of TILE rows of a head (queries, or keys in `backward_dkv`), of which every lane holds vectors
// lane, lane + LANES, ... in registers. Rows of the other side are loaded once each and serve all TILE rows; dot products are summed
// over the lanes. Every sum has a fixed order.
//
// Rows beyond the last one read it and get no weight. The softmax is exact: sums are rescaled when a block of LANES keys holds a larger
// score. Scores are in base 2.
//
// Loops over TILE_VECTORS that pick one register each look odd, but hold one load where otherwise TILE_VECTORS would be written out:
// such an adapter takes some 50 ms to compile a load. Their bounds are hidden from the compiler, which would unroll them.
//
// Bindings, sizes and other constants: attention_layout.wgsl
// Constants:
//   LANES               of a subgroup: 8 or 16
//   TILE                rows of the tile
//   VECTORS_PER_LANE    vectors of four columns of a row that each lane holds: 16 / LANES
//   TILE_VECTORS        TILE * VECTORS_PER_LANE

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
  let first = group.x * TILE;
  let values = min(TILE_VECTORS, arrayLength(&o));
  //#unroll r TILE
  var highest$r = LOWEST;
  var total$r = 0.0;
  //#unroll c VECTORS_PER_LANE
  var q$r_$c = vec4f(0.0);
  var sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / VECTORS_PER_LANE, 0u, head) + i % VECTORS_PER_LANE * LANES + lane;
    let value = load_qkv(at) * (SCALE * LOG2_E);
    //#unroll r TILE
    //#unroll c VECTORS_PER_LANE
    q$r_$c = select(q$r_$c, value, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
  }

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var block = 0u; block < end; block += LANES) {
    let keys = min(LANES, end - block);
    // Lane l gets the scores of key block + l.
    //#unroll r TILE
    var s$r = LOWEST;
    //#end
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 1u, head) + lane;
      //#unroll c VECTORS_PER_LANE
      let k$c = load_qkv(at + $cu * LANES);
      //#end
      //#unroll r TILE
      var product$r = 0.0;
      //#unroll c VECTORS_PER_LANE
      product$r += dot(q$r_$c, k$c);
      //#end
      s$r = select(s$r, add_lane(product$r), e == lane);
      //#end
    }
    //#unroll r TILE
    s$r = select(s$r, LOWEST, CAUSAL & (block + lane > first + $ru));
    let most$r = max(highest$r, max_lane(s$r));
    let shrink$r = exp2(highest$r - most$r);
    let p$r = exp2(s$r - most$r);
    highest$r = most$r;
    total$r = total$r * shrink$r + p$r;
    //#unroll c VECTORS_PER_LANE
    sum$r_$c *= shrink$r;
    //#end
    //#end
    for (var e = 0u; e < keys; e++) {
      let at = qkv_row(batch, block + e, 2u, head) + lane;
      //#unroll c VECTORS_PER_LANE
      let v$c = load_qkv(at + $cu * LANES);
      //#end
      //#unroll r TILE
      let weight$r = subgroupShuffle(p$r, e);
      //#unroll c VECTORS_PER_LANE
      sum$r_$c += weight$r * v$c;
      //#end
      //#end
    }
  }

  //#unroll r TILE
  total$r = sum_under(highest$r, add_lane(total$r));
  //#end
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var value = vec4f(0.0);
    var sums = vec2f(0.0, 1.0);
    //#unroll r TILE
    sums = select(sums, vec2f(highest$r, total$r), i / VECTORS_PER_LANE == $ru);
    //#unroll c VECTORS_PER_LANE
    value = select(value, sum$r_$c, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      store_o(o_row(batch, token, head) + i % VECTORS_PER_LANE * LANES + lane, value * (1.0 / sums.y));
      //#if STORE_LSE
      if (lane == 0u && i % VECTORS_PER_LANE == 0u) {
        lse[scalar_at(batch, token, head)] = select((sums.x + log2(sums.y)) * LN_2, sums.y, is_nan(sums.y));
      }
      //#endif
    }
  }
}
//#endif

//#if BACKWARD_DQ
@compute @workgroup_size(LANES)
fn backward_dq(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let values = min(TILE_VECTORS, arrayLength(&d_qkv));
  //#unroll r TILE
  var delta$r = 0.0;
  var log$r = 0.0;
  //#unroll c VECTORS_PER_LANE
  var q$r_$c = vec4f(0.0);
  var g$r_$c = vec4f(0.0);
  var sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    let at = i % VECTORS_PER_LANE * LANES + lane;
    let value = load_qkv(qkv_row(batch, token, 0u, head) + at) * (SCALE * LOG2_E);
    let output_gradient = load_d_o(o_row(batch, token, head) + at);
    let product = dot(output_gradient, load_o(o_row(batch, token, head) + at));
    let log_sum = lse[scalar_at(batch, token, head)] * LOG2_E;
    //#unroll r TILE
    delta$r += select(0.0, product, i / VECTORS_PER_LANE == $ru);
    log$r = select(log$r, log_sum, i / VECTORS_PER_LANE == $ru);
    //#unroll c VECTORS_PER_LANE
    q$r_$c = select(q$r_$c, value, i == $ru * VECTORS_PER_LANE + $cu);
    g$r_$c = select(g$r_$c, output_gradient, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
  }
  //#unroll r TILE
  delta$r = add_lane(delta$r);
  //#end

  let end = select(TOKENS, min(first + TILE, TOKENS), CAUSAL);
  for (var key = 0u; key < end; key++) {
    let at = qkv_row(batch, key, 1u, head) + lane;
    //#unroll c VECTORS_PER_LANE
    let k$c = load_qkv(at + $cu * LANES);
    let v$c = load_qkv(at + HEADS * HEAD + $cu * LANES);
    //#end
    //#unroll r TILE
    var products$r = vec2f(0.0);
    //#unroll c VECTORS_PER_LANE
    products$r += vec2f(dot(q$r_$c, k$c), dot(g$r_$c, v$c));
    //#end
    products$r = add_lanes(products$r);
    let unmasked$r = exp2(products$r.x - log$r) * (products$r.y - delta$r) * SCALE;
    let ds$r = select(unmasked$r, 0.0, CAUSAL & (key > first + $ru));
    //#unroll c VECTORS_PER_LANE
    sum$r_$c += ds$r * k$c;
    //#end
    //#end
  }

  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var value = vec4f(0.0);
    var products = 0.0;
    //#unroll r TILE
    products = select(products, delta$r, i / VECTORS_PER_LANE == $ru);
    //#unroll c VECTORS_PER_LANE
    value = select(value, sum$r_$c, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      store_d_qkv(qkv_row(batch, token, 0u, head) + i % VECTORS_PER_LANE * LANES + lane, value);
      if (lane == 0u && i % VECTORS_PER_LANE == 0u) { delta[scalar_at(batch, token, head)] = products; }
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
  let values = min(TILE_VECTORS, arrayLength(&d_qkv));
  //#unroll r TILE
  //#unroll c VECTORS_PER_LANE
  var k$r_$c = vec4f(0.0);
  var v$r_$c = vec4f(0.0);
  var k_sum$r_$c = vec4f(0.0);
  var v_sum$r_$c = vec4f(0.0);
  //#end
  //#end
  for (var i = 0u; i < values; i++) {
    let at = qkv_row(batch, first + i / VECTORS_PER_LANE, 1u, head) + i % VECTORS_PER_LANE * LANES + lane;
    let k = load_qkv(at) * (SCALE * LOG2_E);
    let v = load_qkv(at + HEADS * HEAD);
    //#unroll r TILE
    //#unroll c VECTORS_PER_LANE
    k$r_$c = select(k$r_$c, k, i == $ru * VECTORS_PER_LANE + $cu);
    v$r_$c = select(v$r_$c, v, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
  }

  for (var query = select(0u, first, CAUSAL); query < TOKENS; query++) {
    let q_at = qkv_row(batch, query, 0u, head) + lane;
    let o_at = o_row(batch, query, head) + lane;
    let log_sum = lse[scalar_at(batch, query, head)] * LOG2_E;
    let products = delta[scalar_at(batch, query, head)];
    //#unroll c VECTORS_PER_LANE
    let q$c = load_qkv(q_at + $cu * LANES);
    let g$c = load_d_o(o_at + $cu * LANES);
    //#end
    //#unroll r TILE
    var products$r = vec2f(0.0);
    //#unroll c VECTORS_PER_LANE
    products$r += vec2f(dot(k$r_$c, q$c), dot(v$r_$c, g$c));
    //#end
    products$r = add_lanes(products$r);
    let p$r = select(exp2(products$r.x - log_sum), 0.0, CAUSAL & (first + $ru > query));
    let ds$r = p$r * (products$r.y - products) * SCALE;
    //#unroll c VECTORS_PER_LANE
    k_sum$r_$c += ds$r * q$c;
    v_sum$r_$c += p$r * g$c;
    //#end
    //#end
  }

  for (var i = 0u; i < values; i++) {
    let token = first + i / VECTORS_PER_LANE;
    var k = vec4f(0.0);
    var v = vec4f(0.0);
    //#unroll r TILE
    //#unroll c VECTORS_PER_LANE
    k = select(k, k_sum$r_$c, i == $ru * VECTORS_PER_LANE + $cu);
    v = select(v, v_sum$r_$c, i == $ru * VECTORS_PER_LANE + $cu);
    //#end
    //#end
    if (token < TOKENS) {
      let at = qkv_row(batch, token, 1u, head) + i % VECTORS_PER_LANE * LANES + lane;
      store_d_qkv(at, k);
      store_d_qkv(at + HEADS * HEAD, v);
    }
  }
}
//#endif
