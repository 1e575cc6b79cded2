// A tile of 8 x 8: 16 loaded numbers for 128 operations. The most that pays: 64 sums fill the registers of a GPU's invocation, and on a
// processor each load costs as much as many operations, so that nothing beats fewer loads. N must be a multiple of 4.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const COLUMNS: u32 = N / 4u;

fn store(row: u32, column: u32, sum: vec4f) {
  if (row < M && column < COLUMNS) { c[row * COLUMNS + column] = sum; }
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 8u;
  let column = id.x * 2u;
  if (row >= M || column >= COLUMNS) { return; }
  // What lies beyond the edge reads the last row or column again, and is not stored.
  let a0 = min(row + 0u, M - 1u) * K;
  let a1 = min(row + 1u, M - 1u) * K;
  let a2 = min(row + 2u, M - 1u) * K;
  let a3 = min(row + 3u, M - 1u) * K;
  let a4 = min(row + 4u, M - 1u) * K;
  let a5 = min(row + 5u, M - 1u) * K;
  let a6 = min(row + 6u, M - 1u) * K;
  let a7 = min(row + 7u, M - 1u) * K;
  let b0 = min(column + 0u, COLUMNS - 1u);
  let b1 = min(column + 1u, COLUMNS - 1u);
  var s00 = vec4f(0.0);
  var s01 = vec4f(0.0);
  var s10 = vec4f(0.0);
  var s11 = vec4f(0.0);
  var s20 = vec4f(0.0);
  var s21 = vec4f(0.0);
  var s30 = vec4f(0.0);
  var s31 = vec4f(0.0);
  var s40 = vec4f(0.0);
  var s41 = vec4f(0.0);
  var s50 = vec4f(0.0);
  var s51 = vec4f(0.0);
  var s60 = vec4f(0.0);
  var s61 = vec4f(0.0);
  var s70 = vec4f(0.0);
  var s71 = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    let v0 = b[b0 + k * COLUMNS];
    let v1 = b[b1 + k * COLUMNS];
    let x0 = vec4f(a[a0 + k]);
    s00 = fma(x0, v0, s00);
    s01 = fma(x0, v1, s01);
    let x1 = vec4f(a[a1 + k]);
    s10 = fma(x1, v0, s10);
    s11 = fma(x1, v1, s11);
    let x2 = vec4f(a[a2 + k]);
    s20 = fma(x2, v0, s20);
    s21 = fma(x2, v1, s21);
    let x3 = vec4f(a[a3 + k]);
    s30 = fma(x3, v0, s30);
    s31 = fma(x3, v1, s31);
    let x4 = vec4f(a[a4 + k]);
    s40 = fma(x4, v0, s40);
    s41 = fma(x4, v1, s41);
    let x5 = vec4f(a[a5 + k]);
    s50 = fma(x5, v0, s50);
    s51 = fma(x5, v1, s51);
    let x6 = vec4f(a[a6 + k]);
    s60 = fma(x6, v0, s60);
    s61 = fma(x6, v1, s61);
    let x7 = vec4f(a[a7 + k]);
    s70 = fma(x7, v0, s70);
    s71 = fma(x7, v1, s71);
  }
  store(row + 0u, column + 0u, s00);
  store(row + 0u, column + 1u, s01);
  store(row + 1u, column + 0u, s10);
  store(row + 1u, column + 1u, s11);
  store(row + 2u, column + 0u, s20);
  store(row + 2u, column + 1u, s21);
  store(row + 3u, column + 0u, s30);
  store(row + 3u, column + 1u, s31);
  store(row + 4u, column + 0u, s40);
  store(row + 4u, column + 1u, s41);
  store(row + 5u, column + 0u, s50);
  store(row + 5u, column + 1u, s51);
  store(row + 6u, column + 0u, s60);
  store(row + 6u, column + 1u, s61);
  store(row + 7u, column + 0u, s70);
  store(row + 7u, column + 1u, s71);
}
