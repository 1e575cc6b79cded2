// Values of A move between the lanes of a subgroup: each is loaded by a fourth of the lanes and broadcast to the others.
// Eight invocations compute 16 rows, each in eight columns of its own: 4 values of A and 8 of B are loaded a lane for 256
// operations, without workgroup memory or a barrier. Where a subgroup is a vector of a CPU, which loads lane by lane and
// shuffles in one instruction, this is the fastest version; on a GPU it takes more registers than version 4.
// Rows are held by four lanes, so it runs on subgroups of any size from four.

enable subgroups;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const ROW = N / 4u;

fn store(row: u32, column: u32, sum: vec4f) {
  if (row < M && column < ROW) { c[row * ROW + column] = sum; }
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let row = group.y * 16u;
  let column = group.x * 16u + index;
  let b0 = min(column, ROW - 1u);
  let b1 = min(column + 8u, ROW - 1u);
  let a0 = min(row + 0u + lane % 4u, M - 1u) * K;
  let a1 = min(row + 4u + lane % 4u, M - 1u) * K;
  let a2 = min(row + 8u + lane % 4u, M - 1u) * K;
  let a3 = min(row + 12u + lane % 4u, M - 1u) * K;
  var s0_0 = vec4f(0.0);
  var s0_1 = vec4f(0.0);
  var s1_0 = vec4f(0.0);
  var s1_1 = vec4f(0.0);
  var s2_0 = vec4f(0.0);
  var s2_1 = vec4f(0.0);
  var s3_0 = vec4f(0.0);
  var s3_1 = vec4f(0.0);
  var s4_0 = vec4f(0.0);
  var s4_1 = vec4f(0.0);
  var s5_0 = vec4f(0.0);
  var s5_1 = vec4f(0.0);
  var s6_0 = vec4f(0.0);
  var s6_1 = vec4f(0.0);
  var s7_0 = vec4f(0.0);
  var s7_1 = vec4f(0.0);
  var s8_0 = vec4f(0.0);
  var s8_1 = vec4f(0.0);
  var s9_0 = vec4f(0.0);
  var s9_1 = vec4f(0.0);
  var s10_0 = vec4f(0.0);
  var s10_1 = vec4f(0.0);
  var s11_0 = vec4f(0.0);
  var s11_1 = vec4f(0.0);
  var s12_0 = vec4f(0.0);
  var s12_1 = vec4f(0.0);
  var s13_0 = vec4f(0.0);
  var s13_1 = vec4f(0.0);
  var s14_0 = vec4f(0.0);
  var s14_1 = vec4f(0.0);
  var s15_0 = vec4f(0.0);
  var s15_1 = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    let y0 = b[k * ROW + b0];
    let y1 = b[k * ROW + b1];
    let held0 = a[a0 + k];
    let x0 = subgroupBroadcast(held0, 0u);
    s0_0 += x0 * y0;
    s0_1 += x0 * y1;
    let x1 = subgroupBroadcast(held0, 1u);
    s1_0 += x1 * y0;
    s1_1 += x1 * y1;
    let x2 = subgroupBroadcast(held0, 2u);
    s2_0 += x2 * y0;
    s2_1 += x2 * y1;
    let x3 = subgroupBroadcast(held0, 3u);
    s3_0 += x3 * y0;
    s3_1 += x3 * y1;
    let held1 = a[a1 + k];
    let x4 = subgroupBroadcast(held1, 0u);
    s4_0 += x4 * y0;
    s4_1 += x4 * y1;
    let x5 = subgroupBroadcast(held1, 1u);
    s5_0 += x5 * y0;
    s5_1 += x5 * y1;
    let x6 = subgroupBroadcast(held1, 2u);
    s6_0 += x6 * y0;
    s6_1 += x6 * y1;
    let x7 = subgroupBroadcast(held1, 3u);
    s7_0 += x7 * y0;
    s7_1 += x7 * y1;
    let held2 = a[a2 + k];
    let x8 = subgroupBroadcast(held2, 0u);
    s8_0 += x8 * y0;
    s8_1 += x8 * y1;
    let x9 = subgroupBroadcast(held2, 1u);
    s9_0 += x9 * y0;
    s9_1 += x9 * y1;
    let x10 = subgroupBroadcast(held2, 2u);
    s10_0 += x10 * y0;
    s10_1 += x10 * y1;
    let x11 = subgroupBroadcast(held2, 3u);
    s11_0 += x11 * y0;
    s11_1 += x11 * y1;
    let held3 = a[a3 + k];
    let x12 = subgroupBroadcast(held3, 0u);
    s12_0 += x12 * y0;
    s12_1 += x12 * y1;
    let x13 = subgroupBroadcast(held3, 1u);
    s13_0 += x13 * y0;
    s13_1 += x13 * y1;
    let x14 = subgroupBroadcast(held3, 2u);
    s14_0 += x14 * y0;
    s14_1 += x14 * y1;
    let x15 = subgroupBroadcast(held3, 3u);
    s15_0 += x15 * y0;
    s15_1 += x15 * y1;
  }
  store(row + 0u, column, s0_0);
  store(row + 0u, column + 8u, s0_1);
  store(row + 1u, column, s1_0);
  store(row + 1u, column + 8u, s1_1);
  store(row + 2u, column, s2_0);
  store(row + 2u, column + 8u, s2_1);
  store(row + 3u, column, s3_0);
  store(row + 3u, column + 8u, s3_1);
  store(row + 4u, column, s4_0);
  store(row + 4u, column + 8u, s4_1);
  store(row + 5u, column, s5_0);
  store(row + 5u, column + 8u, s5_1);
  store(row + 6u, column, s6_0);
  store(row + 6u, column + 8u, s6_1);
  store(row + 7u, column, s7_0);
  store(row + 7u, column + 8u, s7_1);
  store(row + 8u, column, s8_0);
  store(row + 8u, column + 8u, s8_1);
  store(row + 9u, column, s9_0);
  store(row + 9u, column + 8u, s9_1);
  store(row + 10u, column, s10_0);
  store(row + 10u, column + 8u, s10_1);
  store(row + 11u, column, s11_0);
  store(row + 11u, column + 8u, s11_1);
  store(row + 12u, column, s12_0);
  store(row + 12u, column + 8u, s12_1);
  store(row + 13u, column, s13_0);
  store(row + 13u, column + 8u, s13_1);
  store(row + 14u, column, s14_0);
  store(row + 14u, column + 8u, s14_1);
  store(row + 15u, column, s15_0);
  store(row + 15u, column + 8u, s15_1);
}
