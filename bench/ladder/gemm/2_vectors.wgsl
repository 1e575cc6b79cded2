// Four columns an invocation: B and C are read and written four numbers at a time, and each value of A serves four results.
// 5 loaded numbers (in 2 loads) for 8 operations, where the naive version has 2 for 2. N must be a multiple of 4.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (row >= M || column >= N / 4u) { return; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    sum = fma(vec4f(a[row * K + k]), b[k * (N / 4u) + column], sum);
  }
  c[row * (N / 4u) + column] = sum;
}
