// C[z, m, n] = sum over k of A[z, m, k] * B[z, k, n], then an optional bias over n and an activation.
//
// Each invocation computes TILE_M x TILE_N results in registers, straight from storage memory, without workgroup
// memory: on CPU adapters loads cost more than arithmetic and barriers more than both.
//   dots    both operands contiguous along k (A row-major, B transposed): four k at a time as dot products
//   rows    B row-major: one k at a time, four columns a vector
//   scalar  any layout, any size: element by element
// Rows and columns beyond the edge read the last one and are not stored, so nothing is out of bounds.
//
// A is [BATCH, M, K], or [BATCH, K, M] when A_TRANSPOSED; B is [BATCH, K, N], or [BATCH, N, K] when B_TRANSPOSED.

//#include activation_functions

fn a_index(z: u32, m: u32, k: u32) -> u32 {
  if (A_TRANSPOSED) { return (z * K + k) * M + m; }
  return (z * M + m) * K + k;
}

fn store(z: u32, m: u32, n: u32, sum: f32) {
  if (m >= M || n >= N) { return; }
  let at = (z * M + m) * N + n;
  var value = sum;
  //#if HAS_BIAS
  value += bias[n];
  //#endif
  //#if STORE_PRE
  pre[at] = value;
  //#endif
  c[at] = activate(value);
}

fn activate(x: f32) -> f32 {
  //#if QUICK_GELU
  return quick_gelu(x);
  //#endif
  //#if GELU
  return gelu(x);
  //#endif
  //#if RELU
  return max(x, 0.0);
  //#endif
  //#if IDENTITY
  return x;
  //#endif
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = id.x * TILE_N;
  let m0 = id.y * TILE_M;
  let z = id.z;
  if (m0 >= M || n0 >= N) { return; }

  //#if DOTS
  //#unroll i TILE_M
  let a_row$i = (z * M + min(m0 + $iu, M - 1u)) * (K / 4u);
  //#end
  //#unroll j TILE_N
  let b_row$j = (z * N + min(n0 + $ju, N - 1u)) * (K / 4u);
  //#end
  //#unroll i TILE_M
  //#unroll j TILE_N
  var sum$i_$j = 0.0;
  //#end
  //#end
  for (var k = 0u; k < K / 4u; k++) {
    //#unroll j TILE_N
    let b$j = b[b_row$j + k];
    //#end
    //#unroll i TILE_M
    let a$i = a[a_row$i + k];
    //#unroll j TILE_N
    sum$i_$j += dot(a$i, b$j);
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j TILE_N
  store(z, m0 + $iu, n0 + $ju, sum$i_$j);
  //#end
  //#end
  //#endif

  //#if ROWS
  //#unroll j VECTORS_N
  let b_column$j = z * K * (N / 4u) + min(n0 / 4u + $ju, N / 4u - 1u);
  //#end
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  var sum$i_$j = vec4f(0.0);
  //#end
  //#end
  for (var k = 0u; k < K; k++) {
    //#unroll j VECTORS_N
    let b$j = b[b_column$j + k * (N / 4u)];
    //#end
    //#unroll i TILE_M
    let a$i = vec4f(a[a_index(z, min(m0 + $iu, M - 1u), k)]);
    //#unroll j VECTORS_N
    sum$i_$j = fma(a$i, b$j, sum$i_$j);
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  //#unroll l 4
  store(z, m0 + $iu, n0 + 4u * $ju + $lu, sum$i_$j[$l]);
  //#end
  //#end
  //#end
  //#endif

  //#if SCALAR
  //#unroll i TILE_M
  //#unroll j TILE_N
  var sum$i_$j = 0.0;
  //#end
  //#end
  for (var k = 0u; k < K; k++) {
    //#unroll j TILE_N
    let n$j = min(n0 + $ju, N - 1u);
    let b$j = b[select((z * K + k) * N + n$j, (z * N + n$j) * K + k, B_TRANSPOSED)];
    //#end
    //#unroll i TILE_M
    let a$i = a[a_index(z, min(m0 + $iu, M - 1u), k)];
    //#unroll j TILE_N
    sum$i_$j = fma(a$i, b$j, sum$i_$j);
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j TILE_N
  store(z, m0 + $iu, n0 + $ju, sum$i_$j);
  //#end
  //#end
  //#endif
}
