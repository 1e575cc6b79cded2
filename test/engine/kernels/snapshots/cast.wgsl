const WORKGROUP: u32 = 64u;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec2u>;
fn load_x(i: u32) -> vec4f { return vec4f(unpack2x16float(x[i].x), unpack2x16float(x[i].y)); }
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
fn load_y(i: u32) -> vec4f { return y[i]; }
fn store_y(i: u32, v: vec4f) { y[i] = v; }
struct Uniforms { SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
fn element(i: u32) {
  store_y(i, load_x(i));
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
    if (i < uniforms.SIZE) { element(i); }
  }
}
