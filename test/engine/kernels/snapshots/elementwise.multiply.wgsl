const WORKGROUP: u32 = 64u;
const B_SCALAR: bool = false;
const VECTOR: bool = false;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn load_b(i: u32) -> f32 { return b[i]; }
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { B_SIZE: u32, SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn second(i: u32) -> f32 { return b[select(i % uniforms.B_SIZE, i, uniforms.B_SIZE == uniforms.SIZE)]; }
fn add(i: u32) {
  y[i] = a[i] + second(i);
}
fn multiply(i: u32) {
  y[i] = a[i] * second(i);
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
    if (i < uniforms.SIZE) { multiply(i); }
  }
}
