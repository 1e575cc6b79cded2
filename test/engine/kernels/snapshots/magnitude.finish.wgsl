const WORKGROUP: u32 = 64u;
const CHECK: bool = false;
@group(0) @binding(0) var<storage, read> parts: array<f32>;
fn load_parts(i: u32) -> f32 { return parts[i]; }
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn load_y(i: u32) -> f32 { return y[i]; }
fn store_y(i: u32, v: f32) { y[i] = v; }
struct Uniforms { COUNT: u32, FLAG: u32 }
@group(0) @binding(2) var<uniform> uniforms: Uniforms;
const INFINITE = 0x7f800000u;
const UNSIGNED = 0x7fffffffu;
var<workgroup> most: atomic<u32>;
@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var largest = 0u;
  for (var i = lane; i < uniforms.COUNT; i += WORKGROUP) { largest = max(largest, bitcast<u32>(parts[group.x * uniforms.COUNT + i])); }
  atomicMax(&most, largest);
  workgroupBarrier();
  if (lane == 0u) {
    let bits = atomicLoad(&most);
    y[group.x] = select(bitcast<f32>(bits), select(0.0, 1.0, bits < INFINITE), uniforms.FLAG == 1u);
  }
}
