const WORKGROUP: u32 = 64u;
const VECTOR: bool = true;
const MERGE: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
fn load_x(i: u32) -> vec4f { return x[i]; }
@group(0) @binding(1) var<storage, read> rows: array<vec4f>;
fn load_rows(i: u32) -> vec4f { return rows[i]; }
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
fn load_y(i: u32) -> vec4f { return y[i]; }
fn store_y(i: u32, v: vec4f) { y[i] = v; }
struct Uniforms { BATCH: u32, X_TOKENS: u32, Y_TOKENS: u32, WIDTH: u32, AT: u32, COUNT: u32, SIZE: u32 }
@group(0) @binding(3) var<uniform> uniforms: Uniforms;
alias Value = vec4f;
fn merge(i: u32) {
  let column = i % uniforms.WIDTH;
  let token = i / uniforms.WIDTH % uniforms.Y_TOKENS;
  let sequence = i / uniforms.WIDTH / uniforms.Y_TOKENS * uniforms.X_TOKENS;
  if (token < uniforms.AT) {
    y[i] = x[(sequence + token) * uniforms.WIDTH + column];
  } else if (token < uniforms.AT + uniforms.COUNT) {
    y[i] = rows[(token - uniforms.AT) * uniforms.WIDTH + column];
  } else {
    y[i] = x[(sequence + token - (uniforms.Y_TOKENS - uniforms.X_TOKENS)) * uniforms.WIDTH + column];
  }
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
    if (i < uniforms.SIZE) { merge(i); }
  }
}
