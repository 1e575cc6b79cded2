const WORKGROUP: u32 = 64u;
const GATHER: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> indices: array<i32>;
fn load_indices(i: u32) -> i32 { return indices[i]; }
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { WIDTH: u32, ROWS: u32, SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(uniforms.ROWS) - 1));
}
fn gather(i: u32) {
  store_y(i, load_x(row_of(indices[i / uniforms.WIDTH]) * uniforms.WIDTH + i % uniforms.WIDTH));
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
    if (i < uniforms.SIZE) { gather(i); }
  }
}
