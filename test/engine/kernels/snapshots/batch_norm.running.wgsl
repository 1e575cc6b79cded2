const WORKGROUP: u32 = 64u;
const RUNNING: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> mean: array<f32>;
fn load_mean(i: u32) -> f32 { return mean[i]; }
@group(0) @binding(1) var<storage, read> variance: array<f32>;
fn load_variance(i: u32) -> f32 { return variance[i]; }
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
fn load_running_mean(i: u32) -> f32 { return running_mean[i]; }
fn store_running_mean(i: u32, v: f32) { running_mean[i] = v; }
@group(0) @binding(3) var<storage, read_write> running_variance: array<f32>;
fn load_running_variance(i: u32) -> f32 { return running_variance[i]; }
fn store_running_variance(i: u32, v: f32) { running_variance[i] = v; }
struct Uniforms { MOMENTUM: f32, UNBIAS: f32, SIZE: u32 }
@group(0) @binding(4) var<uniform> uniforms: Uniforms;
fn running(column: u32) {
  running_mean[column] += uniforms.MOMENTUM * (mean[column] - running_mean[column]);
  running_variance[column] += uniforms.MOMENTUM * (variance[column] * uniforms.UNBIAS - running_variance[column]);
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
    if (i < uniforms.SIZE) { running(i); }
  }
}
