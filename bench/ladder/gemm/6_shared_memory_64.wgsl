// Larger tiles and larger shares: a workgroup of 8 x 8 makes 64 x 64 results, 8 x 8 an invocation, from slices of 16 along k. Twice the
// results for each number that is fetched, and half the reads of workgroup memory for each operation. A lies transposed there, so that an
// invocation reads its eight rows as two vectors. K must be a multiple of 16, N of 64.

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const TILE: u32 = 64u;
const SLICE: u32 = 16u;

var<workgroup> tile_a: array<f32, SLICE * TILE>;
var<workgroup> tile_b: array<vec4f, SLICE * TILE / 4u>;

@compute @workgroup_size(8, 8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first_row = group.y * TILE;
  let first_column = group.x * (TILE / 4u);
  var sums: array<array<vec4f, 2>, 8>;
  for (var k = 0u; k < K; k += SLICE) {
    for (var i = 0u; i < 4u; i++) {
      let at = index + i * 64u;
      // A: 64 rows of four vectors.
      let row = at / 4u;
      let part = at % 4u;
      let x = a[min(first_row + row, M - 1u) * (K / 4u) + k / 4u + part];
      tile_a[(part * 4u + 0u) * TILE + row] = x.x;
      tile_a[(part * 4u + 1u) * TILE + row] = x.y;
      tile_a[(part * 4u + 2u) * TILE + row] = x.z;
      tile_a[(part * 4u + 3u) * TILE + row] = x.w;
      // B: 16 rows of sixteen vectors.
      tile_b[at] = b[(k + at / 16u) * (N / 4u) + first_column + at % 16u];
    }
    workgroupBarrier();
    for (var l = 0u; l < SLICE; l++) {
      // Columns 8 apart belong to an invocation, so that neighbours read neighbours.
      let b0 = tile_b[l * 16u + local.x];
      let b1 = tile_b[l * 16u + local.x + 8u];
      for (var i = 0u; i < 8u; i++) {
        let x = vec4f(tile_a[l * TILE + local.y * 8u + i]);
        sums[i][0] = fma(x, b0, sums[i][0]);
        sums[i][1] = fma(x, b1, sums[i][1]);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 8u; i++) {
    let row = first_row + local.y * 8u + i;
    if (row < M) {
      c[row * (N / 4u) + first_column + local.x] = sums[i][0];
      c[row * (N / 4u) + first_column + local.x + 8u] = sums[i][1];
    }
  }
}
