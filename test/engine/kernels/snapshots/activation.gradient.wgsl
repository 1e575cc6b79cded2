const WORKGROUP: u32 = 64u;
const VECTOR: bool = true;
const GRADIENT: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec2u>;
fn load_x(i: u32) -> vec4f { return vec4f(unpack2x16float(x[i].x), unpack2x16float(x[i].y)); }
@group(0) @binding(1) var<storage, read> dy: array<vec2u>;
fn load_dy(i: u32) -> vec4f { return vec4f(unpack2x16float(dy[i].x), unpack2x16float(dy[i].y)); }
@group(0) @binding(2) var<storage, read_write> dx: array<vec2u>;
fn load_dx(i: u32) -> vec4f { return vec4f(unpack2x16float(dx[i].x), unpack2x16float(dx[i].y)); }
fn store_dx(i: u32, v: vec4f) { dx[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
struct Uniforms { SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn pack_half(v: vec2f) -> u32 {
  let bits = bitcast<vec2u>(v);
  let size = bits & vec2u(0x7fffffffu);
  let normal = ((size + 0xfffu + ((size >> vec2u(13u)) & vec2u(1u))) >> vec2u(13u)) - 0x1c000u;
  let small = bitcast<vec2u>(bitcast<vec2f>(size) + 0.5) - 0x3f000000u;
  let largest = select(vec2u(0x7c00u), vec2u(0x7e00u), size > vec2u(0x7f800000u));
  let half = select(min(normal, largest), small, size < vec2u(0x38800000u));
  let signed = half | ((bits >> vec2u(16u)) & vec2u(0x8000u));
  return signed.x | (signed.y << 16u);
}
fn values(x: vec4f) -> vec4f {
  return vec4f(quick_gelu(x.x), quick_gelu(x.y), quick_gelu(x.z), quick_gelu(x.w));
}
fn derivatives(x: vec4f) -> vec4f {
  return vec4f(
    quick_gelu_derivative(x.x), quick_gelu_derivative(x.y), quick_gelu_derivative(x.z), quick_gelu_derivative(x.w),
  );
}
fn gradient(i: u32) {
  store_dx(i, load_dy(i) * derivatives(load_x(i)));
}
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.x + group.y * groups.x) * WORKGROUP * IN_TURN + lane;
  let turn = 0u; {
    let i = first + turn * WORKGROUP;
    if (i < uniforms.SIZE) { gradient(i); }
  }
}
