// Arithmetic alone: x = x * scale + shift in CHAINS independent vectors, ROUNDS times, so that nothing waits for memory and
// little for the result before. What an adapter reaches here is its peak, as far as WGSL can tell.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) local: u32) {
  let scale = vec4f(factors[0]);
  let shift = vec4f(factors[1]);
  //#unroll c CHAINS
  var x_$c = vec4f(f32(local + $cu));
  //#end
  for (var round = 0u; round < ROUNDS; round++) {
    //#unroll c CHAINS
    x_$c = fma(x_$c, scale, shift);
    //#end
  }
  var sum = vec4f(0.0);
  //#unroll c CHAINS
  sum += x_$c;
  //#end
  // Every workgroup writes the same bits.
  result[local] = sum.x + sum.y + sum.z + sum.w;
}
