// Mean difference of two tensors in a fixed order, with f(d) = |d|, or d^2 if SQUARED:
//   terms[group] = SCALE * sum over the group's elements of f(a - b), SCALE = 1 / SIZE; reduce.wgsl adds them
//   da           = upstream SCALE f'(a - b), db = -da; f' = sign, which is 0 where a = b, or 2 d
//
// Bindings: a, b, and upstream [1] (gradient only) read; terms [GROUPS], or da and db written; float32
// Sizes: SIZE elements, GROUPS workgroups, SCALE
// Constants: GRADIENT; SQUARED; WANT_A, WANT_B: which gradients are written; and those of row_reduction.wgsl

//#if GRADIENT
//#include nan

fn gradient(i: u32) {
  let difference = a[i] - b[i];
  let difference_gradient = upstream[0] * SCALE * select(sign(difference), 2.0 * difference, SQUARED || is_nan(difference));
  //#if WANT_A
  da[i] = difference_gradient;
  //#endif
  //#if WANT_B
  db[i] = -difference_gradient;
  //#endif
}
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn terms_of(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = group.x * WORKGROUP + lane; i < SIZE; i += WORKGROUP * GROUPS) {
    let difference = a[i] - b[i];
    sum += select(abs(difference), difference * difference, SQUARED);
  }
  sum = workgroup_sum(sum, lane);
  if (lane == 0u) { terms[group.x] = SCALE * sum; }
}
//#endif
