// The invocations of a workgroup share what they load: tiles of 32 x 32 of A and of B go through workgroup memory, and every number there
// is used 32 times. Each invocation keeps 4 x 4 results. The classic for GPUs, whose workgroup memory is near; on a processor it is memory
// like any other and the barriers cost more than they save. K and N must be multiples of 32.

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const TILE: u32 = 32u;
const VECTORS: u32 = TILE / 4u;

var<workgroup> tile_a: array<vec4f, TILE * VECTORS>;
var<workgroup> tile_b: array<vec4f, TILE * VECTORS>;

@compute @workgroup_size(8, 8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first_row = group.y * TILE;
  let first_column = group.x * VECTORS;
  var sums: array<vec4f, 4>;
  for (var k = 0u; k < K; k += TILE) {
    // 64 invocations fetch 256 vectors of each tile, four each.
    for (var i = 0u; i < 4u; i++) {
      let at = index + i * 64u;
      let row = at / VECTORS;
      let column = at % VECTORS;
      tile_a[at] = a[min(first_row + row, M - 1u) * (K / 4u) + k / 4u + column];
      tile_b[at] = b[(k + row) * (N / 4u) + first_column + column];
    }
    workgroupBarrier();
    for (var l = 0u; l < VECTORS; l++) {
      let b0 = tile_b[(l * 4u + 0u) * VECTORS + local.x];
      let b1 = tile_b[(l * 4u + 1u) * VECTORS + local.x];
      let b2 = tile_b[(l * 4u + 2u) * VECTORS + local.x];
      let b3 = tile_b[(l * 4u + 3u) * VECTORS + local.x];
      for (var i = 0u; i < 4u; i++) {
        let x = tile_a[(local.y * 4u + i) * VECTORS + l];
        sums[i] = fma(vec4f(x.x), b0, sums[i]);
        sums[i] = fma(vec4f(x.y), b1, sums[i]);
        sums[i] = fma(vec4f(x.z), b2, sums[i]);
        sums[i] = fma(vec4f(x.w), b3, sums[i]);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    let row = first_row + local.y * 4u + i;
    if (row < M) { c[row * (N / 4u) + first_column + local.x] = sums[i]; }
  }
}
