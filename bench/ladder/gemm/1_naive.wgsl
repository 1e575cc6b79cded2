// C = A B, the definition: every invocation computes one result and reads a whole row of A and a whole column of B for it.
// 2 K loads for 2 K operations: memory decides, however fast the arithmetic is. Neighbours in x read neighbours of B.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (row >= M || column >= N) { return; }
  var sum = 0.0;
  for (var k = 0u; k < K; k++) {
    sum += a[row * K + k] * b[k * N + column];
  }
  c[row * N + column] = sum;
}
