// Softmax and its logarithm by rows:
//   softmax       y = exp(x - max) / sum of exp(x - max)
//   log_softmax   y = x - max - log(sum of exp(x - max)), if LOG
// and their gradients, from the result y, if GRADIENT:
//   softmax       dx = y (dy - sum of y dy)
//   log_softmax   dx = dy - exp(y) (sum of dy)
// A row belongs to
//   ROW_PER_THREAD   one invocation, which reads it twice, four elements at a time: for software adapters
//   HOLDS            a workgroup, which reads it once and keeps HELD elements an invocation in registers
//   else             a workgroup, which reads it as often as it needs it: rows too wide for registers
//
// Bindings: x or y, dy read; y or dx written; [ROWS, WIDTH], float32, bound as vec4 if ROW_PER_THREAD
// Sizes: ROWS, WIDTH
// Constants: LOG, GRADIENT; GROUP: rows of an invocation if ROW_PER_THREAD; and those of row_reduction.wgsl

const LOWEST = -3.4028234e38f;

//#include nan

//#if ROW_PER_THREAD
// An invocation has GROUP rows: together they fill whole vectors, but where two of them meet they may share one.
fn row_per_thread(group: u32) {
  let first = group * GROUP;
  for (var row = first; row < first + GROUP; row++) {
    let start = row * WIDTH;
    let stop = start + WIDTH;
    var known = vec2f(LOWEST, 0.0);
    for (var i = start / 4u; i < (stop + 3u) / 4u; i++) { known = take(known, i, inside(i, start, stop)); }
    known = finish(known);
    // Vectors that belong to this row alone, then its part of those before and after.
    let first_whole = (start + 3u) / 4u;
    let end = stop / 4u;
    for (var i = first_whole; i < end; i++) {
      //#if GRADIENT
      dx[i] = result(i, known);
      //#else
      y[i] = result(i, known);
      //#endif
    }
    if (GROUP > 1u) {
      for (var at = start; at < min(4u * first_whole, stop); at++) { store_one(at, known); }
      for (var at = max(4u * end, 4u * first_whole); at < stop; at++) { store_one(at, known); }
    }
  }
}

fn total(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }

fn inside(i: u32, start: u32, stop: u32) -> vec4<bool> {
  if (GROUP == 1u) { return vec4<bool>(true); }
  let at = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);
  return (at >= vec4u(start)) & (at < vec4u(stop));
}

//#if GRADIENT
// `known` holds nothing and the sum.
fn take(known: vec2f, i: u32, counted: vec4<bool>) -> vec2f {
  var terms = dy[i];
  if (!LOG) { terms *= y[i]; }
  return vec2f(0.0, known.y + total(select(vec4f(0.0), terms, counted)));
}

fn finish(known: vec2f) -> vec2f { return known; }

fn result(i: u32, known: vec2f) -> vec4f {
  if (LOG) { return dy[i] - exp_of_four(y[i]) * known.y; }
  return y[i] * (dy[i] - known.y);
}

fn store_one(at: u32, known: vec2f) { dx[at / 4u][at % 4u] = result(at / 4u, known)[at % 4u]; }
//#else
// `known` holds the largest element so far, and the sum of exp(x - largest).
fn take(known: vec2f, i: u32, counted: vec4<bool>) -> vec2f {
  let v = select(vec4f(LOWEST), x[i], counted);
  let largest = max(known.x, max(max(v.x, v.y), max(v.z, v.w)));
  return vec2f(largest, known.y * exp(known.x - largest) + total(exp_of_four(v - largest)));
}

// The largest element, and what the logarithm subtracts or the softmax multiplies by.
fn finish(known: vec2f) -> vec2f { return vec2f(known.x, select(1.0 / known.y, log_of(known.y), LOG)); }

fn result(i: u32, known: vec2f) -> vec4f {
  if (LOG) { return x[i] - known.x - known.y; }
  return exp(x[i] - known.x) * known.y;
}

fn store_one(at: u32, known: vec2f) { y[at / 4u][at % 4u] = result(at / 4u, known)[at % 4u]; }
//#endif
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn row_per_workgroup(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  //#include row_builtins
) {
  //#include row_enter
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let start = row * WIDTH;
  let end = start + WIDTH;
  //#if GRADIENT
  var sum = 0.0;
  //#if HOLDS
  //#unroll i HELD
  var y$i = 0.0;
  var dy$i = 0.0;
  if (lane + $iu * WORKGROUP < WIDTH) {
    y$i = y[start + lane + $iu * WORKGROUP];
    dy$i = dy[start + lane + $iu * WORKGROUP];
  }
  sum += select(y$i * dy$i, dy$i, LOG);
  //#end
  sum = workgroup_sum(sum, lane);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < WIDTH) { dx[start + lane + $iu * WORKGROUP] = gradient_of(y$i, dy$i, sum); }
  //#end
  //#else
  for (var i = start + lane; i < end; i += WORKGROUP) {
    if (LOG) { sum += dy[i]; } else { sum += y[i] * dy[i]; }
  }
  sum = workgroup_sum(sum, lane);
  for (var i = start + lane; i < end; i += WORKGROUP) { dx[i] = gradient_of(y[i], dy[i], sum); }
  //#endif
  //#else
  var largest = LOWEST;
  var sum = 0.0;
  //#if HOLDS
  //#unroll i HELD
  var x$i = LOWEST;
  if (lane + $iu * WORKGROUP < WIDTH) { x$i = x[start + lane + $iu * WORKGROUP]; }
  largest = max(largest, x$i);
  //#end
  largest = workgroup_max(largest, lane);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < WIDTH) { sum += exp_of(x$i - largest); }
  //#end
  sum = workgroup_sum(sum, lane);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < WIDTH) { y[start + lane + $iu * WORKGROUP] = value(x$i, largest, sum); }
  //#end
  //#else
  for (var i = start + lane; i < end; i += WORKGROUP) { largest = max(largest, x[i]); }
  largest = workgroup_max(largest, lane);
  for (var i = start + lane; i < end; i += WORKGROUP) { sum += exp_of(x[i] - largest); }
  sum = workgroup_sum(sum, lane);
  for (var i = start + lane; i < end; i += WORKGROUP) { y[i] = value(x[i], largest, sum); }
  //#endif
  //#endif
}

//#if GRADIENT
fn gradient_of(y: f32, dy: f32, sum: f32) -> f32 {
  if (LOG) { return dy - exp_of(y) * sum; }
  return y * (dy - sum);
}
//#else
fn value(x: f32, largest: f32, sum: f32) -> f32 {
  if (LOG) { return x - largest - log_of(sum); }
  return exp(x - largest) / sum;
}
//#endif
//#endif
