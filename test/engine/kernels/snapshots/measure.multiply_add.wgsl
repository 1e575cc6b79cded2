const WORKGROUP: u32 = 64u;
const ALU: bool = true;
const WIDE: bool = true;
const STEPS: u32 = 8192u;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
fn load_result(i: u32) -> f32 { return result[i]; }
fn store_result(i: u32, v: f32) { result[i] = v; }
struct Uniforms { SIZE: u32 }
@group(0) @binding(1) var<uniform> uniforms: Uniforms;
alias VALUE = vec4f;
fn total(x: vec4f) -> f32 { return dot(x, vec4f(1.0)); }
fn multiply_add(id: u32) {
  let factor = 1.0 - f32(id & 7u) * 0x1p-20;
  var x0 = VALUE(f32(id) + 0.0);
  var x1 = VALUE(f32(id) + 1.0);
  var x2 = VALUE(f32(id) + 2.0);
  var x3 = VALUE(f32(id) + 3.0);
  var x4 = VALUE(f32(id) + 4.0);
  var x5 = VALUE(f32(id) + 5.0);
  var x6 = VALUE(f32(id) + 6.0);
  var x7 = VALUE(f32(id) + 7.0);
  for (var step = 0u; step < STEPS; step++) {
    x0 = fma(x0, VALUE(factor), VALUE(0.5));
    x1 = fma(x1, VALUE(factor), VALUE(0.5));
    x2 = fma(x2, VALUE(factor), VALUE(0.5));
    x3 = fma(x3, VALUE(factor), VALUE(0.5));
    x4 = fma(x4, VALUE(factor), VALUE(0.5));
    x5 = fma(x5, VALUE(factor), VALUE(0.5));
    x6 = fma(x6, VALUE(factor), VALUE(0.5));
    x7 = fma(x7, VALUE(factor), VALUE(0.5));
  }
  let sum = (x0 + x1) + (x2 + x3) + ((x4 + x5) + (x6 + x7));
  result[id] = total(sum);
}
fn copy(i: u32) {
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
    if (i < uniforms.SIZE) { multiply_add(i); }
  }
}
