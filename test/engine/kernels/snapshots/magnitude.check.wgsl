const WORKGROUP: u32 = 64u;
const CHECK: bool = true;
const TENSORS: u32 = 7u;
const VECTOR: bool = true;
@group(0) @binding(0) var<storage, read> x0: array<vec4f>;
fn load_x0(i: u32) -> vec4f { return x0[i]; }
@group(0) @binding(1) var<storage, read> x1: array<vec4f>;
fn load_x1(i: u32) -> vec4f { return x1[i]; }
@group(0) @binding(2) var<storage, read> x2: array<vec4f>;
fn load_x2(i: u32) -> vec4f { return x2[i]; }
@group(0) @binding(3) var<storage, read> x3: array<vec4f>;
fn load_x3(i: u32) -> vec4f { return x3[i]; }
@group(0) @binding(4) var<storage, read> x4: array<vec4f>;
fn load_x4(i: u32) -> vec4f { return x4[i]; }
@group(0) @binding(5) var<storage, read> x5: array<vec4f>;
fn load_x5(i: u32) -> vec4f { return x5[i]; }
@group(0) @binding(6) var<storage, read> x6: array<vec4f>;
fn load_x6(i: u32) -> vec4f { return x6[i]; }
@group(0) @binding(7) var<storage, read_write> parts: array<f32>;
fn load_parts(i: u32) -> f32 { return parts[i]; }
fn store_parts(i: u32, v: f32) { parts[i] = v; }
struct Uniforms { FIRST: u32, SIZE_0: u32, SIZE_1: u32, SIZE_2: u32, SIZE_3: u32, SIZE_4: u32, SIZE_5: u32, SIZE_6: u32 }
@group(0) @binding(8) var<uniform> uniforms: Uniforms;
const INFINITE = 0x7f800000u;
const UNSIGNED = 0x7fffffffu;
var<workgroup> most: array<atomic<u32>, TENSORS>;
alias Bits = vec4u;
fn largest_of(v: vec4u) -> u32 { return max(max(v.x, v.y), max(v.z, v.w)); }
@compute @workgroup_size(WORKGROUP)
fn check(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = group.x * WORKGROUP + lane;
  let stride = groups.x * WORKGROUP;
  var largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_0; i += stride) { largest = max(largest, bitcast<Bits>(x0[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[0], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_1; i += stride) { largest = max(largest, bitcast<Bits>(x1[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[1], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_2; i += stride) { largest = max(largest, bitcast<Bits>(x2[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[2], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_3; i += stride) { largest = max(largest, bitcast<Bits>(x3[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[3], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_4; i += stride) { largest = max(largest, bitcast<Bits>(x4[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[4], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_5; i += stride) { largest = max(largest, bitcast<Bits>(x5[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[5], largest_of(largest));
  largest = Bits(0u);
  for (var i = first; i < uniforms.SIZE_6; i += stride) { largest = max(largest, bitcast<Bits>(x6[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[6], largest_of(largest));
  largest = Bits(0u);
  workgroupBarrier();
  if (lane < TENSORS) {
    parts[uniforms.FIRST + lane * groups.x + group.x] = bitcast<f32>(min(atomicLoad(&most[lane]), INFINITE));
  }
}
