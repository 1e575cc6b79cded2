const WORKGROUP: u32 = 64u;
const CORRECT: bool = true;
const GATED: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> gate: array<f32>;
fn load_gate(i: u32) -> f32 { return gate[i]; }
@group(0) @binding(1) var<storage, read_write> corrections: array<f32>;
fn load_corrections(i: u32) -> f32 { return corrections[i]; }
fn store_corrections(i: u32, v: f32) { corrections[i] = v; }
struct Uniforms { BETA1: f32, BETA2: f32, REST1: f32, REST2: f32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
fn correct(only: u32) {
  if (gate[0] == 0.0) { return; }
  corrections[0] = uniforms.BETA1 * corrections[0] + uniforms.REST1;
  corrections[1] = uniforms.BETA2 * corrections[1] + uniforms.REST2;
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
    if (i < uniforms.SIZE) { correct(i); }
  }
}
