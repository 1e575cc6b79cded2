// 128 x 128 results a workgroup and 8 x 8 an invocation: tiles as large as 16 KiB of workgroup memory allow.
// A step over 16 values of k loads 4096 values for 524 288 operations, and what an invocation reads from workgroup memory is
// used eight times. The values of the next step are fetched into registers before the multiplications of this one, so that
// memory works while the arithmetic does. A is loaded as vectors along k in blocks of 4 x 4, and transposed in registers.

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const TILE = 128u;
const STEP = 16u;
// Vectors in a row of C, of A, and of the stages.
const ROW = N / 4u;
const DEPTH = K / 4u;
const QUADS = TILE / 4u;

var<workgroup> stage_a: array<vec4f, STEP * QUADS>;
var<workgroup> stage_b: array<vec4f, STEP * QUADS>;

// The exclusive or keeps what neighbours write in different banks.
fn place(k: u32, quad: u32) -> u32 { return k * QUADS + (quad ^ (k / 4u * 2u)); }

// A block of 4 x 4 values: of A for the first half of the invocations, of B for the second. Column q belongs to k + q.
fn fetch(origin: vec2u, index: u32, k0: u32) -> mat4x4f {
  let number = index % 128u;
  var block: mat4x4f;
  if (index < 128u) {
    let row = origin.y + number / 4u * 4u;
    let k = k0 / 4u + number % 4u;
    for (var i = 0u; i < 4u; i++) { block[i] = a[min(row + i, M - 1u) * DEPTH + k]; }
    return transpose(block);
  }
  let column = min(origin.x / 4u + number % QUADS, ROW - 1u);
  let k = k0 + number / QUADS * 4u;
  for (var i = 0u; i < 4u; i++) { block[i] = b[(k + i) * ROW + column]; }
  return block;
}

fn put(index: u32, block: mat4x4f) {
  let number = index % 128u;
  for (var i = 0u; i < 4u; i++) {
    if (index < 128u) {
      stage_a[place(number % 4u * 4u + i, number / 4u)] = block[i];
    } else {
      stage_b[place(number / QUADS * 4u + i, number % QUADS)] = block[i];
    }
  }
}

fn store(row: u32, quad: u32, sum: vec4f) {
  if (row < M && quad < ROW) { c[row * ROW + quad] = sum; }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let origin = group.xy * TILE;
  // Two times four rows and two vectors of columns, half a tile apart: neighbours then read neighbouring vectors.
  let quad_row = index / 16u;
  let quad_column = index % 16u;
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
  var next = fetch(origin, index, 0u);
  for (var k0 = 0u; k0 < K; k0 += STEP) {
    workgroupBarrier();
    put(index, next);
    workgroupBarrier();
    if (k0 + STEP < K) { next = fetch(origin, index, k0 + STEP); }
    for (var k = 0u; k < STEP; k++) {
      let x0 = stage_a[place(k, quad_row)];
      let x1 = stage_a[place(k, quad_row + 16u)];
      let y0 = stage_b[place(k, quad_column)];
      let y1 = stage_b[place(k, quad_column + 16u)];
      s00 += x0[0] * y0;
      s01 += x0[0] * y1;
      s10 += x0[1] * y0;
      s11 += x0[1] * y1;
      s20 += x0[2] * y0;
      s21 += x0[2] * y1;
      s30 += x0[3] * y0;
      s31 += x0[3] * y1;
      s40 += x1[0] * y0;
      s41 += x1[0] * y1;
      s50 += x1[1] * y0;
      s51 += x1[1] * y1;
      s60 += x1[2] * y0;
      s61 += x1[2] * y1;
      s70 += x1[3] * y0;
      s71 += x1[3] * y1;
    }
  }
  let row = origin.y + quad_row * 4u;
  let quad = origin.x / 4u + quad_column;
  store(row + 0u, quad, s00);
  store(row + 0u, quad + 16u, s01);
  store(row + 1u, quad, s10);
  store(row + 1u, quad + 16u, s11);
  store(row + 2u, quad, s20);
  store(row + 2u, quad + 16u, s21);
  store(row + 3u, quad, s30);
  store(row + 3u, quad + 16u, s31);
  store(row + 64u, quad, s40);
  store(row + 64u, quad + 16u, s41);
  store(row + 65u, quad, s50);
  store(row + 65u, quad + 16u, s51);
  store(row + 66u, quad, s60);
  store(row + 66u, quad + 16u, s61);
  store(row + 67u, quad, s70);
  store(row + 67u, quad + 16u, s71);
}
