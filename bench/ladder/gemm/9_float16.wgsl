// The 8 x 8 tile with operands in float16, packed two to a u32: half the bytes of A and B, the sums still float32. Unpacking is one
// instruction on GPUs and a few on a processor. K must be a multiple of 4, N of 8.

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

const COLUMNS: u32 = N / 8u;

fn low(x: vec4u) -> vec4f { return vec4f(unpack2x16float(x.x), unpack2x16float(x.y)); }
fn high(x: vec4u) -> vec4f { return vec4f(unpack2x16float(x.z), unpack2x16float(x.w)); }

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 8u;
  let column = id.x;
  if (row >= M || column >= COLUMNS) { return; }
  var sums: array<vec4f, 16>;
  for (var k = 0u; k < K; k += 2u) {
    let even = b[k * COLUMNS + column];
    let odd = b[(k + 1u) * COLUMNS + column];
    let even_low = low(even);
    let even_high = high(even);
    let odd_low = low(odd);
    let odd_high = high(odd);
    for (var i = 0u; i < 8u; i++) {
      let x = unpack2x16float(a[(min(row + i, M - 1u) * K + k) / 2u]);
      sums[2u * i] = fma(vec4f(x.y), odd_low, fma(vec4f(x.x), even_low, sums[2u * i]));
      sums[2u * i + 1u] = fma(vec4f(x.y), odd_high, fma(vec4f(x.x), even_high, sums[2u * i + 1u]));
    }
  }
  for (var i = 0u; i < 8u; i++) {
    if (row + i < M) {
      c[(row + i) * (N / 4u) + 2u * column] = sums[2u * i];
      c[(row + i) * (N / 4u) + 2u * column + 1u] = sums[2u * i + 1u];
    }
  }
}
