const WORKGROUP: u32 = 64u;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> weight: array<f32>;
fn load_weight(i: u32) -> f32 { return weight[i]; }
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
fn load_total(i: u32) -> f32 { return total[i]; }
fn store_total(i: u32, v: f32) { total[i] = v; }
struct Uniforms { SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn element(i: u32) {
  total[i] += weight[0] * x[i];
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
