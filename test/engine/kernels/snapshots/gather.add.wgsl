const WORKGROUP: u32 = 64u;
const ADD: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> y: array<vec2u>;
fn load_y(i: u32) -> vec4f { return vec4f(unpack2x16float(y[i].x), unpack2x16float(y[i].y)); }
@group(0) @binding(1) var<storage, read> indices: array<i32>;
fn load_indices(i: u32) -> i32 { return indices[i]; }
@group(0) @binding(2) var<storage, read> links: array<i32>;
fn load_links(i: u32) -> i32 { return links[i]; }
@group(0) @binding(3) var<storage, read_write> x: array<vec2u>;
fn load_x(i: u32) -> vec4f { return vec4f(unpack2x16float(x[i].x), unpack2x16float(x[i].y)); }
fn store_x(i: u32, v: vec4f) { x[i] = vec2u(pack_half(v.xy), pack_half(v.zw)); }
struct Uniforms { COUNT: u32, WIDTH: u32, ROWS: u32, SIZE: u32 }
@group(0) @binding(4) var<uniform> uniforms: Uniforms;
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
fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(uniforms.ROWS) - 1));
}
fn add(i: u32) {
  let m = i / uniforms.WIDTH;
  if (links[2u * m] == 0) { return; }
  let column = i % uniforms.WIDTH;
  var total = load_y(i);
  for (var next = u32(links[2u * m + 1u]); next < uniforms.COUNT; next = u32(links[2u * next + 1u])) {
    total += load_y(next * uniforms.WIDTH + column);
  }
  store_x(row_of(indices[m]) * uniforms.WIDTH + column, total);
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
    if (i < uniforms.SIZE) { add(i); }
  }
}
