// y[o, i] = sum over r of x[o, r, i]: x is [OUTER, REDUCED, INNER].
// One workgroup a result: each invocation sums every WORKGROUP-th term, then a tree in workgroup memory.
// The order is fixed, so results are the same on every run.

var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let result = group.x + group.y * groups.x;
  // Groups beyond the last result work on result 0 and do not store: barriers need uniform control flow.
  let valid = result < OUTER * INNER;
  let target_result = select(0u, result, valid);
  let base = target_result / INNER * REDUCED * INNER + target_result % INNER;
  var total = 0.0;
  for (var r = lane; r < REDUCED; r += WORKGROUP) {
    total += x[base + r * INNER];
  }
  partial[lane] = total;
  workgroupBarrier();
  for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      partial[lane] += partial[lane + width];
    }
    workgroupBarrier();
  }
  if (valid && lane == 0u) {
    y[result] = partial[0];
  }
}
