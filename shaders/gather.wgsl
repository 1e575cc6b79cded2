// gather: y[m] = x[indices[m]]. Its adjoint: x[n] = sum over the m with indices[m] = n of y[m], in the order of m.
// x is [ROWS, WIDTH], y is [COUNT, WIDTH], with elements of one or four values; an index outside means the nearest row.
//
// The adjoint in three launches, without atomics:
//   link   links[m] = (1 if no earlier m has this index, the next m that has it or COUNT); one invocation an m
//   clear  x = 0
//   add    the first m of each index adds up its list; one invocation an element of y, the others return

fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(ROWS) - 1));
}

//#if GATHER
@compute @workgroup_size(WORKGROUP)
fn gather(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  store_y(i, load_x(row_of(indices[i / WIDTH]) * WIDTH + i % WIDTH));
}
//#endif

//#if LINK
@compute @workgroup_size(WORKGROUP)
fn link(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let m = flat_index(id, groups);
  if (m >= SIZE) { return; }
  let row = row_of(indices[m]);
  var first = 1;
  var next = COUNT;
  for (var other = 0u; other < COUNT; other++) {
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
//#endif

//#if CLEAR
@compute @workgroup_size(WORKGROUP)
fn clear(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  //#if VECTOR
  store_x(i, vec4f(0.0));
  //#else
  store_x(i, 0.0);
  //#endif
}
//#endif

//#if ADD
@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = flat_index(id, groups);
  if (i >= SIZE) { return; }
  let m = i / WIDTH;
  if (links[2u * m] == 0) { return; }
  let column = i % WIDTH;
  var total = load_y(i);
  for (var next = u32(links[2u * m + 1u]); next < COUNT; next = u32(links[2u * next + 1u])) {
    total += load_y(next * WIDTH + column);
  }
  store_x(row_of(indices[m]) * WIDTH + column, total);
}
//#endif
