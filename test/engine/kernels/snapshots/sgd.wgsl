const WORKGROUP: u32 = 64u;
const GATED: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> gradient: array<f32>;
fn load_gradient(i: u32) -> f32 { return gradient[i]; }
@group(0) @binding(1) var<storage, read> rate: array<f32>;
fn load_rate(i: u32) -> f32 { return rate[i]; }
@group(0) @binding(2) var<storage, read> gate: array<f32>;
fn load_gate(i: u32) -> f32 { return gate[i]; }
@group(0) @binding(3) var<storage, read_write> parameter: array<f32>;
fn load_parameter(i: u32) -> f32 { return parameter[i]; }
fn store_parameter(i: u32, v: f32) { parameter[i] = v; }
@group(0) @binding(4) var<storage, read_write> velocity: array<f32>;
fn load_velocity(i: u32) -> f32 { return velocity[i]; }
fn store_velocity(i: u32, v: f32) { velocity[i] = v; }
struct Uniforms { MOMENTUM: f32, WEIGHT_DECAY: f32, SIZE: u32 }
@group(0) @binding(5) var<uniform> uniforms: Uniforms;
fn element(i: u32) {
  if (gate[0] == 0.0) { return; }
  let v = uniforms.MOMENTUM * velocity[i] + gradient[i] + uniforms.WEIGHT_DECAY * parameter[i];
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
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
