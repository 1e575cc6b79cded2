// Transposes matrices, y[b, j, i] = x[b, i, j]. One invocation an element.
//
// Bindings: x [batch, ROWS, COLUMNS] read, y [batch, COLUMNS, ROWS] written; float32. SIZE: elements

fn element(to: u32) {
  let matrix = to / (ROWS * COLUMNS);
  let within = to % (ROWS * COLUMNS);
  y[to] = x[matrix * ROWS * COLUMNS + within % ROWS * COLUMNS + within / ROWS];
}
