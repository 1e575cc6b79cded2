// y[b, j, i] = x[b, i, j] for matrices x[b] of ROWS x COLUMNS; one invocation an element of y, SIZE elements

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let to = flat_index(id, groups);
  if (to >= SIZE) { return; }
  let matrix = to / (ROWS * COLUMNS);
  let within = to % (ROWS * COLUMNS);
  y[to] = x[matrix * ROWS * COLUMNS + within % ROWS * COLUMNS + within / ROWS];
}
