const WORKGROUP: u32 = 64u;
const CLEAR: bool = true;
const VECTOR: bool = false;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
fn store_x(i: u32, v: f32) { x[i] = v; }
struct Uniforms { COUNT: u32, WIDTH: u32, ROWS: u32, SIZE: u32 }
@group(0) @binding(1) var<uniform> uniforms: Uniforms;
fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(uniforms.ROWS) - 1));
}
fn clear(i: u32) {
  store_x(i, 0.0);
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
    if (i < uniforms.SIZE) { clear(i); }
  }
}
