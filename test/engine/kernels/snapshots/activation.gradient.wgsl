const WORKGROUP: u32 = 64u;
const VECTOR: bool = true;
const GRADIENT: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
fn load_x(i: u32) -> vec4f { return x[i]; }
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
fn load_dy(i: u32) -> vec4f { return dy[i]; }
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;
fn load_dx(i: u32) -> vec4f { return dx[i]; }
fn store_dx(i: u32, v: vec4f) { dx[i] = v; }
struct Uniforms { SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
fn values(x: vec4f) -> vec4f {
  return vec4f(quick_gelu(x.x), quick_gelu(x.y), quick_gelu(x.z), quick_gelu(x.w));
}
fn derivatives(x: vec4f) -> vec4f {
  return vec4f(
    quick_gelu_derivative(x.x), quick_gelu_derivative(x.y), quick_gelu_derivative(x.z), quick_gelu_derivative(x.w),
  );
}
fn gradient(i: u32) {
  store_dx(i, load_dy(i) * derivatives(load_x(i)));
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
    if (i < uniforms.SIZE) { gradient(i); }
  }
}
