// Clips gradients by their common length.
//   squares   y = total + sum of x^2, by one workgroup; START: without a total before it
//   factor    y = min(1, LARGEST / (sqrt(total) + 1e-6))
//
// Bindings: x, total [1] read; y [1] written; float32
// Sizes: SIZE elements of x; LARGEST: the largest length
// Constants: SQUARES: `squares` is compiled, else `factor`; START; and those of row_reduction.wgsl

//#if SQUARES
//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn squares(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < SIZE; i += WORKGROUP) { sum += x[i] * x[i]; }
  sum = workgroup_sum(sum, lane);
  if (lane == 0u) {
    //#if START
    y[0] = sum;
    //#else
    y[0] = total[0] + sum;
    //#endif
  }
}
//#else
//#include nan

fn factor(only: u32) {
  let ratio = LARGEST / (sqrt(total[0]) + 1e-6);
  y[0] = select(min(1.0, ratio), ratio, is_nan(ratio));
}
//#endif
