const WORKGROUP: u32 = 64u;
const VECTOR: bool = true;
const MERGE: bool = false;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
fn load_x(i: u32) -> vec4f { return x[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
fn load_y(i: u32) -> vec4f { return y[i]; }
fn store_y(i: u32, v: vec4f) { y[i] = v; }
struct Uniforms { BATCH: u32, X_TOKENS: u32, Y_TOKENS: u32, WIDTH: u32, AT: u32, COUNT: u32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
alias Value = vec4f;
fn remove(i: u32) {
  let token = i / uniforms.WIDTH % uniforms.Y_TOKENS;
  let source = i / uniforms.WIDTH / uniforms.Y_TOKENS * uniforms.X_TOKENS + token + select(0u, uniforms.COUNT, token >= uniforms.AT);
  y[i] = x[source * uniforms.WIDTH + i % uniforms.WIDTH];
}
fn zero(i: u32) {
  let token = i / uniforms.WIDTH % uniforms.X_TOKENS;
  y[i] = select(x[i], Value(0.0), token >= uniforms.AT && token < uniforms.AT + uniforms.COUNT);
}
fn sum(i: u32) {
  var total = Value(0.0);
  for (var b = 0u; b < uniforms.BATCH; b++) {
    total += x[(b * uniforms.X_TOKENS + uniforms.AT) * uniforms.WIDTH + i];
  }
  y[i] = total;
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
    if (i < uniforms.SIZE) { remove(i); }
  }
}
