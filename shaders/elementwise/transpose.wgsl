// y[b, j, i] = x[b, i, j] for matrices x[b] of ROWS x COLUMNS

fn element(to: u32) {
  let matrix = to / (ROWS * COLUMNS);
  let within = to % (ROWS * COLUMNS);
  y[to] = x[matrix * ROWS * COLUMNS + within % ROWS * COLUMNS + within / ROWS];
}
