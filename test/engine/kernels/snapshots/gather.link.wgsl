const WORKGROUP: u32 = 64u;
const LINK: bool = true;
const IN_TURN: u32 = 1u;
@group(0) @binding(0) var<storage, read> indices: array<i32>;
fn load_indices(i: u32) -> i32 { return indices[i]; }
@group(0) @binding(1) var<storage, read_write> links: array<i32>;
fn load_links(i: u32) -> i32 { return links[i]; }
fn store_links(i: u32, v: i32) { links[i] = v; }
struct Uniforms { COUNT: u32, WIDTH: u32, ROWS: u32, SIZE: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(uniforms.ROWS) - 1));
}
fn link(m: u32) {
  let row = row_of(indices[m]);
  var first = 1;
  var next = uniforms.COUNT;
  for (var other = 0u; other < uniforms.COUNT; other++) {
    if (row_of(indices[other]) == row) {
      if (other < m) {
        first = 0;
      }
      if (other > m) {
        next = other;
        break;
      }
    }
  }
  links[2u * m] = first;
  links[2u * m + 1u] = i32(next);
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
    if (i < uniforms.SIZE) { link(i); }
  }
}
