const WORKGROUP: u32 = 64u;
const SCALED: bool = true;
const GATED: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> corrections: array<f32>;
fn load_corrections(i: u32) -> f32 { return corrections[i]; }
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
fn load_gradient(i: u32) -> f32 { return gradient[i]; }
@group(0) @binding(2) var<storage, read> rate: array<f32>;
fn load_rate(i: u32) -> f32 { return rate[i]; }
@group(0) @binding(3) var<storage, read> factor: array<f32>;
fn load_factor(i: u32) -> f32 { return factor[i]; }
@group(0) @binding(4) var<storage, read> gate: array<f32>;
fn load_gate(i: u32) -> f32 { return gate[i]; }
@group(0) @binding(5) var<storage, read_write> parameter: array<f32>;
fn load_parameter(i: u32) -> f32 { return parameter[i]; }
fn store_parameter(i: u32, v: f32) { parameter[i] = v; }
@group(0) @binding(6) var<storage, read_write> first: array<f32>;
fn load_first(i: u32) -> f32 { return first[i]; }
fn store_first(i: u32, v: f32) { first[i] = v; }
@group(0) @binding(7) var<storage, read_write> second: array<f32>;
fn load_second(i: u32) -> f32 { return second[i]; }
fn store_second(i: u32, v: f32) { second[i] = v; }
struct Uniforms { EPSILON: f32, WEIGHT_DECAY: f32, BETA1: f32, BETA2: f32, REST1: f32, REST2: f32, SIZE: u32 }
@group(0) @binding(8) var<uniform> uniforms: Uniforms;
fn element(i: u32) {
  if (gate[0] == 0.0) { return; }
  let g = gradient[i] * factor[0];
  let m = uniforms.BETA1 * first[i] + uniforms.REST1 * g;
  let v = uniforms.BETA2 * second[i] + uniforms.REST2 * g * g;
  first[i] = m;
  second[i] = v;
  let p = parameter[i];
  let step = m / corrections[0] / (sqrt(v / corrections[1]) + uniforms.EPSILON);
  parameter[i] = p - rate[0] * (uniforms.WEIGHT_DECAY * p + step);
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
