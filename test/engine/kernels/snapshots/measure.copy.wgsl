const WORKGROUP: u32 = 64u;
const COPY: bool = true;
const WIDE: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
fn load_source(i: u32) -> vec4f { return source[i]; }
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
fn load_result(i: u32) -> vec4f { return result[i]; }
fn store_result(i: u32, v: vec4f) { result[i] = v; }
struct Uniforms { SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
alias VALUE = vec4f;
fn total(x: vec4f) -> f32 { return dot(x, vec4f(1.0)); }
fn multiply_add(id: u32) {
}
fn copy(i: u32) {
  result[i] = source[i];
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
    if (i < uniforms.SIZE) { copy(i); }
  }
}
