// Sum over the middle axis, y[o, i] = sum over r of x[o, r, i]. The order is fixed: the same bits on every run.
//   columns   one invocation a result, neighbours read neighbours: many results, or few terms
//   whole     one workgroup a result: few results of many terms
//
// Bindings: x [OUTER, REDUCED, INNER] read, y [OUTER, INNER] written; float32
// Sizes: OUTER, REDUCED, INNER
// Constants: COLUMNS: `columns` is compiled, else `whole`; and those of row_reduction.wgsl

//#if COLUMNS
fn columns(result: u32) {
  let base = result / INNER * REDUCED * INNER + result % INNER;
  var total = 0.0;
  for (var r = 0u; r < REDUCED; r++) { total += x[base + r * INNER]; }
  y[result] = total;
}
//#else
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn whole(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let result = group.x + group.y * groups.x;
  if (result >= OUTER * INNER) { return; }
  let base = result / INNER * REDUCED * INNER + result % INNER;
  var total = 0.0;
  for (var r = lane; r < REDUCED; r += WORKGROUP) { total += x[base + r * INNER]; }
  total = workgroup_sum(total, lane);
  if (lane == 0u) { y[result] = total; }
}
//#endif
