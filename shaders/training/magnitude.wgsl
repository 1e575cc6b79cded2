// The largest magnitudes of tensors, and whether all of them are finite:
//   check    each workgroup takes a share of every tensor: the largest |x| that workgroup g saw of tensor t into
//            parts[FIRST + t * groups + g]
//   finish   workgroup w: the largest of parts w * COUNT, w * COUNT + 1, ... into y[w]; if FLAG is 1, 1 if that is finite, else 0
// NaN counts as infinity. Bits are compared, not numbers: without the sign they have the same order, and compilers may assume that there
// is neither infinity nor NaN.
//
// Bindings: x0, x1, ... read and parts written by `check`, parts read and y written by `finish`; float32
// Sizes: SIZE_0, SIZE_1, ... elements, which are vectors of four if VECTOR; FIRST, COUNT, FLAG
// Constants: CHECK: `check` is compiled, else `finish`; TENSORS: how many; VECTOR; WORKGROUP: invocations

const INFINITE = 0x7f800000u;
const UNSIGNED = 0x7fffffffu;

//#if CHECK
var<workgroup> most: array<atomic<u32>, TENSORS>;

//#if VECTOR
alias Bits = vec4u;
fn largest_of(v: vec4u) -> u32 { return max(max(v.x, v.y), max(v.z, v.w)); }
//#else
alias Bits = u32;
fn largest_of(v: u32) -> u32 { return v; }
//#endif

@compute @workgroup_size(WORKGROUP)
fn check(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = group.x * WORKGROUP + lane;
  let stride = groups.x * WORKGROUP;
  var largest = Bits(0u);
  //#unroll t TENSORS
  for (var i = first; i < SIZE_$t; i += stride) { largest = max(largest, bitcast<Bits>(x$t[i]) & Bits(UNSIGNED)); }
  atomicMax(&most[$t], largest_of(largest));
  largest = Bits(0u);
  //#end
  workgroupBarrier();
  if (lane < TENSORS) {
    parts[FIRST + lane * groups.x + group.x] = bitcast<f32>(min(atomicLoad(&most[lane]), INFINITE));
  }
}
//#else
var<workgroup> most: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var largest = 0u;
  for (var i = lane; i < COUNT; i += WORKGROUP) { largest = max(largest, bitcast<u32>(parts[group.x * COUNT + i])); }
  atomicMax(&most, largest);
  workgroupBarrier();
  if (lane == 0u) {
    let bits = atomicLoad(&most);
    y[group.x] = select(bitcast<f32>(bits), select(0.0, 1.0, bits < INFINITE), FLAG == 1u);
  }
}
//#endif
