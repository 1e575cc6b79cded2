// Whether tensors hold finite values only:
//   check  of TENSORS tensors x0, x1, ... of SIZE_0, SIZE_1, ... values (vectors of four where VECTOR): flags[FIRST + g] = 1 if all
//          that workgroup g saw are finite, else 0; each workgroup sees a share of every tensor
//   every  y = 1 if all COUNT flags are 1, else 0; one workgroup
// The exponent's bits decide, as compilers may assume that there is neither infinity nor NaN.

var<workgroup> bad: atomic<u32>;

// 1 if `good` in every invocation of the workgroup, else 0.
fn all_good(good: bool) -> f32 {
  if (!good) { atomicOr(&bad, 1u); }
  workgroupBarrier();
  return select(0.0, 1.0, atomicLoad(&bad) == 0u);
}

//#if CHECK
const EXPONENT = 0x7f800000u;

@compute @workgroup_size(WORKGROUP)
fn check(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = group.x * WORKGROUP + lane;
  let stride = groups.x * WORKGROUP;
  //#if VECTOR
  var largest = vec4u(0u);
  //#unroll t TENSORS
  for (var i = first; i < SIZE_$t; i += stride) { largest = max(largest, bitcast<vec4u>(x$t[i]) & vec4u(EXPONENT)); }
  //#end
  let good = all(largest < vec4u(EXPONENT));
  //#else
  var largest = 0u;
  //#unroll t TENSORS
  for (var i = first; i < SIZE_$t; i += stride) { largest = max(largest, bitcast<u32>(x$t[i]) & EXPONENT); }
  //#end
  let good = largest < EXPONENT;
  //#endif
  let flag = all_good(good);
  if (lane == 0u) { flags[FIRST + group.x] = flag; }
}
//#else
@compute @workgroup_size(WORKGROUP)
fn every(@builtin(local_invocation_index) lane: u32) {
  var good = true;
  for (var i = lane; i < COUNT; i += WORKGROUP) { good = good & (flags[i] == 1.0); }
  let flag = all_good(good);
  if (lane == 0u) { y[0] = flag; }
}
//#endif
