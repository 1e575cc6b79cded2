// Register-tiled matmul, C[z, m, n] = sum over k of A[z, m, k] B[z, k, n], and the epilogue: plain WGSL without workgroup memory,
// as on software adapters loads cost more than arithmetic and barriers more than both. Each invocation computes TILE_M x TILE_N
// results in registers, straight from storage. Rows and columns beyond the edge read the last one and are not stored.
//
// Bindings, sizes and other constants: matmul_epilogue.wgsl
// Constants:
//   TILE_M, TILE_N    rows and columns of C per invocation; a workgroup has 8 x 8 invocations
//   VECTORS_N         TILE_N / 4
//   and one of
//   DOT_PRODUCTS      A and B contiguous along k, both bound as vec4: four k at a time as dot products
//   ROW_MAJOR_B       B contiguous along n, bound as vec4: one k at a time, four columns a vector
//   SCALAR            any layout and size: element by element

//#include matmul_epilogue

fn a_index(z: u32, m: u32, k: u32) -> u32 {
  if (A_TRANSPOSED) { return (z * K + k) * M + m; }
  return (z * M + m) * K + k;
}

fn b_index(z: u32, n: u32, k: u32) -> u32 {
  if (B_TRANSPOSED) { return (z * N + n) * K + k; }
  return (z * K + k) * N + n;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let tile = tile_of(group);
  let z = tile.x;
  let m0 = (tile.y * 8u + local.y) * TILE_M;
  let n0 = (tile.z * 8u + local.x) * TILE_N;
  if (z >= BATCH || m0 >= M || n0 >= N) { return; }

  //#if DOT_PRODUCTS
  //#unroll i TILE_M
  let a_row$i = (z * M + min(m0 + $iu, M - 1u)) * (K / 4u);
  //#end
  //#unroll j VECTORS_N
  //#unroll l 4
  let b_row$j_$l = (z * N + min(n0 + 4u * $ju + $lu, N - 1u)) * (K / 4u);
  //#end
  //#end
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  //#unroll l 4
  var sum$i_$j_$l = 0.0;
  //#end
  //#end
  //#end
  for (var k = 0u; k < K / 4u; k++) {
    //#unroll j VECTORS_N
    //#unroll l 4
    let b$j_$l = load_b(b_row$j_$l + k);
    //#end
    //#end
    //#unroll i TILE_M
    let a$i = load_a(a_row$i + k);
    //#unroll j VECTORS_N
    //#unroll l 4
    sum$i_$j_$l += dot(a$i, b$j_$l);
    //#end
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  store(z, m0 + $iu, n0 + 4u * $ju, vec4f(sum$i_$j_0, sum$i_$j_1, sum$i_$j_2, sum$i_$j_3));
  //#end
  //#end
  //#endif

  //#if ROW_MAJOR_B
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
    let b$j = load_b(b_column$j + k * (N / 4u));
    //#end
    //#unroll i TILE_M
    let a$i = vec4f(load_a(a_index(z, min(m0 + $iu, M - 1u), k)));
    //#unroll j VECTORS_N
    sum$i_$j = fma(a$i, b$j, sum$i_$j);
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  store(z, m0 + $iu, n0 + 4u * $ju, sum$i_$j);
  //#end
  //#end
  //#endif

  //#if SCALAR
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  var sum$i_$j = vec4f(0.0);
  //#end
  //#end
  for (var k = 0u; k < K; k++) {
    //#unroll j VECTORS_N
    var b$j: vec4f;
    //#unroll l 4
    b$j[$l] = load_b(b_index(z, min(n0 + 4u * $ju + $lu, N - 1u), k));
    //#end
    //#end
    //#unroll i TILE_M
    let a$i = vec4f(load_a(a_index(z, min(m0 + $iu, M - 1u), k)));
    //#unroll j VECTORS_N
    sum$i_$j = fma(a$i, b$j, sum$i_$j);
    //#end
    //#end
  }
  //#unroll i TILE_M
  //#unroll j VECTORS_N
  store(z, m0 + $iu, n0 + 4u * $ju, sum$i_$j);
  //#end
  //#end
  //#endif
}
