// Whether tensors hold finite values only:
//   check  flags[INDEX] = 1 if all SIZE values of x are finite, else 0; one workgroup
//   every  y = 1 if all COUNT flags are 1, else 0; one invocation
// The exponent's bits decide, as compilers may assume that there is neither infinity nor NaN.

//#if CHECK
var<workgroup> good: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn check(@builtin(local_invocation_index) lane: u32) {
  var mine = 1u;
  for (var i = lane; i < SIZE; i += WORKGROUP) {
    if ((bitcast<u32>(x[i]) & 0x7f800000u) == 0x7f800000u) { mine = 0u; }
  }
  good[lane] = mine;
  workgroupBarrier();
  if (lane > 0u) { return; }
  for (var i = 1u; i < WORKGROUP; i++) { mine = min(mine, good[i]); }
  flags[INDEX] = f32(mine);
}
//#else
@compute @workgroup_size(1)
fn every() {
  var all = 1.0;
  for (var i = 0u; i < COUNT; i++) { all = min(all, flags[i]); }
  y[0] = all;
}
//#endif
