// What all matmul kernels share: which tile a workgroup computes, and the epilogue between its sums and what is stored,
//   C = act(A B + bias) + residual,  or in a backward pass  C = (A B) act'(saved_preactivation)
//
// Bindings, float32 or float16 (a float16 result is written four values at a time):
//   a [BATCH, M, K], or [BATCH, K, M] if A_TRANSPOSED;  b [BATCH, K, N], or [BATCH, N, K] if B_TRANSPOSED
//   bias [N]; residual, saved_preactivation [BATCH, M, N]    read, where a constant below asks for them
//   c, preactivation [BATCH, M, N]                           written, the latter if STORE_PREACTIVATION
// Sizes (uniforms, or constants on software adapters):
//   BATCH, M, N, K           matrices, and elements of their edges
//   TILES_M, TILES_N         workgroup tiles down and across a matrix C
//   GRID_X                   workgroups along x; further tiles continue in the next row of the grid
// Constants:
//   A_TRANSPOSED, B_TRANSPOSED
//   BAND                     rows of tiles that are finished before the next ones begin
//   SURPLUS_WORKGROUPS       the grid has more workgroups than there are tiles
//   VECTOR_C                 N is a multiple of four: bias, and all that has C's shape, is bound as vectors of four columns
//   HAS_BIAS, RESIDUAL       bias and residual are added
//   STORE_PREACTIVATION      the value before the activation is stored too, for the backward pass
//   ACTIVATION_GRADIENT      multiplies by the derivative of ACTIVATION instead of applying it
//   ACTIVATION               the function of activation_functions.wgsl
//   CONVERT_C, CONVERT_PREACTIVATION  float16 results are converted by the GPU, an instruction for two values; the functions
//                            of the prelude take two dozen, for adapters without f16 (docs/decisions.md, "Float16 is packed")

//#include activation_functions

// The tile [z, m, n] of a workgroup; z = BATCH for a surplus workgroup, which must return. Tiles are numbered by bands of BAND rows,
// column by column within a band: what workgroups read at about the same time is then small enough for a cache.
fn tile_of(group: vec3u) -> vec3u {
  let number = group.x + group.y * GRID_X;
  let z = number / (TILES_M * TILES_N);
  let within = number % (TILES_M * TILES_N);
  let first = within / (BAND * TILES_N) * BAND;
  let height = min(BAND, TILES_M - first);
  let inside = within % (BAND * TILES_N);
  return vec3u(z, first + inside % height, inside / height);
}

fn activate(x: f32) -> f32 { return $ACTIVATION(x); }
fn derivative(x: f32) -> f32 { return $ACTIVATION_derivative(x); }

// The epilogue of columns n .. n + 3 of a row: from their sums to what is stored.
fn store(z: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= M || n >= N) { return; }
  //#if VECTOR_C
  let at = ((z * M + m) * N + n) / 4u;
  var value = sums;
  //#if HAS_BIAS
  value += load_bias(n / 4u);
  //#endif
  //#if STORE_PREACTIVATION
  //#if CONVERT_PREACTIVATION
  preactivation[at] = bitcast<vec2u>(vec4<f16>(value));
  //#else
  store_preactivation(at, value);
  //#endif
  //#endif
  //#if ACTIVATION_GRADIENT
  let x = load_saved_preactivation(at);
  value *= vec4f(derivative(x.x), derivative(x.y), derivative(x.z), derivative(x.w));
  //#else
  value = vec4f(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
  //#endif
  //#if RESIDUAL
  value += load_residual(at);
  //#endif
  //#if CONVERT_C
  c[at] = bitcast<vec2u>(vec4<f16>(value));
  //#else
  store_c(at, value);
  //#endif
  //#else
  for (var i = 0u; i < min(4u, N - n); i++) {
    let at = (z * M + m) * N + n + i;
    var value = sums[i];
    //#if HAS_BIAS
    value += load_bias(n + i);
    //#endif
    //#if STORE_PREACTIVATION
    store_preactivation(at, value);
    //#endif
    //#if ACTIVATION_GRADIENT
    value *= derivative(load_saved_preactivation(at));
    //#else
    value = activate(value);
    //#endif
    //#if RESIDUAL
    value += load_residual(at);
    //#endif
    store_c(at, value);
  }
  //#endif
}
