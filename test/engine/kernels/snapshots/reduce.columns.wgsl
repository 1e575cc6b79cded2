const WORKGROUP: u32 = 64u;
const COLUMNS: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { OUTER: u32, REDUCED: u32, INNER: u32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
fn columns(result: u32) {
  let base = result / uniforms.INNER * uniforms.REDUCED * uniforms.INNER + result % uniforms.INNER;
  var total = 0.0;
  for (var r = 0u; r < uniforms.REDUCED; r++) { total += x[base + r * uniforms.INNER]; }
  y[result] = total;
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
    if (i < uniforms.SIZE) { columns(i); }
  }
}
