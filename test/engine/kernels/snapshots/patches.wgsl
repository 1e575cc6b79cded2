const WORKGROUP: u32 = 64u;
const ASSEMBLE: bool = false;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
fn load_x(i: u32) -> vec4f { return x[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
fn load_y(i: u32) -> vec4f { return y[i]; }
fn store_y(i: u32, v: vec4f) { y[i] = v; }
struct Uniforms { CHANNELS: u32, GRID: u32, PATCH: u32, PATCH_X: u32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
fn element(i: u32) {
  let kx = i % uniforms.PATCH_X;
  let ky = i / uniforms.PATCH_X % uniforms.PATCH;
  let channel = i / (uniforms.PATCH_X * uniforms.PATCH) % uniforms.CHANNELS;
  let patch_row = i / (uniforms.PATCH_X * uniforms.PATCH * uniforms.CHANNELS);
  let gx = patch_row % uniforms.GRID;
  let gy = patch_row / uniforms.GRID % uniforms.GRID;
  let image = patch_row / (uniforms.GRID * uniforms.GRID);
  let at = ((image * uniforms.CHANNELS + channel) * uniforms.GRID * uniforms.PATCH + gy * uniforms.PATCH + ky) * uniforms.GRID * uniforms.PATCH_X + gx * uniforms.PATCH_X + kx;
  if (ASSEMBLE) {
    y[at] = x[i];
  } else {
    y[i] = x[at];
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
    if (i < uniforms.SIZE) { element(i); }
  }
}
