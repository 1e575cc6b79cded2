// A tile of 4 x 4 results in registers: a value of A serves four results, a vector of B four rows. 8 loaded numbers for 32 operations.
// The sums are separate variables: in an array, some compilers keep them in memory. N must be a multiple of 4.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const COLUMNS: u32 = N / 4u;

fn store(row: u32, column: u32, sum: vec4f) {
  if (row < M && column < COLUMNS) { c[row * COLUMNS + column] = sum; }
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 4u;
  let column = id.x * 1u;
  if (row >= M || column >= COLUMNS) { return; }
  // What lies beyond the edge reads the last row or column again, and is not stored.
  let a0 = min(row + 0u, M - 1u) * K;
  let a1 = min(row + 1u, M - 1u) * K;
  let a2 = min(row + 2u, M - 1u) * K;
  let a3 = min(row + 3u, M - 1u) * K;
  let b0 = min(column + 0u, COLUMNS - 1u);
  var s00 = vec4f(0.0);
  var s10 = vec4f(0.0);
  var s20 = vec4f(0.0);
  var s30 = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    let v0 = b[b0 + k * COLUMNS];
    let x0 = vec4f(a[a0 + k]);
    s00 = fma(x0, v0, s00);
    let x1 = vec4f(a[a1 + k]);
    s10 = fma(x1, v0, s10);
    let x2 = vec4f(a[a2 + k]);
    s20 = fma(x2, v0, s20);
    let x3 = vec4f(a[a3 + k]);
    s30 = fma(x3, v0, s30);
  }
  store(row + 0u, column + 0u, s00);
  store(row + 1u, column + 0u, s10);
  store(row + 2u, column + 0u, s20);
  store(row + 3u, column + 0u, s30);
}
