// Cross-entropy of rows of logits with integer labels, one workgroup a row:
//   terms[row] = SCALE (log(sum of exp(x - max)) - (x[label] - max)), SCALE = 1 / ROWS; reduce.wgsl adds them
//   dx         = upstream SCALE (softmax(x) - onehot(label)), if GRADIENT
//
// Bindings: x [ROWS, WIDTH] float32, labels [ROWS] i32, upstream [1] (gradient only) read; terms [ROWS] or dx written
// Sizes: ROWS, WIDTH, SCALE
// Constants: GRADIENT, and those of row_reduction.wgsl

//#include row_reduction
//#include nan

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  //#include row_builtins
) {
  //#include row_enter
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * WIDTH;
  let label = min(u32(labels[row]), WIDTH - 1u);
  var largest = x[base];
  for (var i = lane; i < WIDTH; i += WORKGROUP) { largest = max(largest, x[base + i]); }
  largest = workgroup_max(largest, lane);
  var sum = 0.0;
  for (var i = lane; i < WIDTH; i += WORKGROUP) { sum += exp_of(x[base + i] - largest); }
  sum = workgroup_sum(sum, lane);
  //#if GRADIENT
  let factor = upstream[0] * SCALE;
  for (var i = lane; i < WIDTH; i += WORKGROUP) {
    dx[base + i] = factor * (exp(x[base + i] - largest) / sum - select(0.0, 1.0, i == label));
  }
  //#else
  if (lane == 0u) { terms[row] = SCALE * (log_of(sum) - (x[base + label] - largest)); }
  //#endif
}
