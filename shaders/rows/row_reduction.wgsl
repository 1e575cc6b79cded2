// Reductions over a workgroup whose result every invocation gets; included by the row-wise kernels, whose entry points take the
// parameters of row_builtins.wgsl and begin with row_enter.wgsl. The whole workgroup must call them. The order is fixed. Two values at
// a time, as most callers have two.
//
// Constants:
//   WORKGROUP    invocations: SIDE * SIDE
//   SUBGROUPS    within subgroups first, then over their results, however many there are: one barrier
//                else in two steps of SIDE terms each instead of a tree of halves: two barriers

//#if SUBGROUPS
enable subgroups;

var<private> subgroup: u32;
var<private> subgroups: u32;
// Two buffers in turn, so that no barrier is needed between one call's reads and the next one's writes.
var<workgroup> subgroup_values: array<vec2f, 2 * WORKGROUP>;
var<private> turn: u32;

fn workgroup_sum2(value: vec2f, lane: u32) -> vec2f {
  let subgroup_result = subgroupAdd(value);
  turn = WORKGROUP - turn;
  subgroup_values[turn + subgroup] = subgroup_result;
  workgroupBarrier();
  var total = subgroup_values[turn];
  for (var i = 1u; i < subgroups; i++) { total += subgroup_values[turn + i]; }
  return total;
}

fn workgroup_max2(value: vec2f, lane: u32) -> vec2f {
  let subgroup_result = subgroupMax(value);
  turn = WORKGROUP - turn;
  subgroup_values[turn + subgroup] = subgroup_result;
  workgroupBarrier();
  var largest = subgroup_values[turn];
  for (var i = 1u; i < subgroups; i++) { largest = max(largest, subgroup_values[turn + i]); }
  return largest;
}
//#else
var<workgroup> lane_values: array<vec2f, WORKGROUP>;
var<workgroup> side_values: array<vec2f, SIDE>;

fn workgroup_sum2(value: vec2f, lane: u32) -> vec2f {
  lane_values[lane] = value;
  workgroupBarrier();
  if (lane < SIDE) {
    var sum = lane_values[lane];
    for (var i = 1u; i < SIDE; i++) { sum += lane_values[lane + i * SIDE]; }
    side_values[lane] = sum;
  }
  workgroupBarrier();
  var total = side_values[0];
  for (var i = 1u; i < SIDE; i++) { total += side_values[i]; }
  return total;
}

fn workgroup_max2(value: vec2f, lane: u32) -> vec2f {
  lane_values[lane] = value;
  workgroupBarrier();
  if (lane < SIDE) {
    var largest = lane_values[lane];
    for (var i = 1u; i < SIDE; i++) { largest = max(largest, lane_values[lane + i * SIDE]); }
    side_values[lane] = largest;
  }
  workgroupBarrier();
  var result = side_values[0];
  for (var i = 1u; i < SIDE; i++) { result = max(result, side_values[i]); }
  return result;
}
//#endif

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  return workgroup_sum2(vec2f(value, 0.0), lane).x;
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
  return workgroup_max2(vec2f(value, value), lane).x;
}
