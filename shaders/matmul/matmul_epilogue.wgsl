// What all kernels of a product share: which tile a workgroup computes, and what follows the sums before they are stored:
//   C = act(A B + bias) + residual,  or, for the gradient of what an activation gave,  C = (A B) * act'(slope)
// Where N is a multiple of four (VECTOR_C), everything of C's shape, and the bias, is read and written four columns at a time.
// CONVERT_C, CONVERT_PREACTIVATION: kernels of GPUs that use f16 anyway let the GPU convert what they store, by one instruction for a pair.
// The functions of the prelude take two dozen, for adapters that do not (docs/decisions.md, "Float16 is packed").

//#include activation_functions

// The tile [z, m, n] of a workgroup. Tiles are numbered so that BAND rows of them are finished before the next ones begin,
// column by column: what neighbours in time read of A and B is then small enough for a cache.
// The count of workgroups may exceed the count of tiles where the grid is folded; such a workgroup gets z = BATCH.
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

// Finishes and stores four neighbouring columns.
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
