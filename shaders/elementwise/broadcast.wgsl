// y[o, r, i] = x[o, i]: x is [outer, INNER], y is [outer, REDUCED, INNER], SIZE elements in all.

fn element(i: u32) {
  y[i] = x[i / (REDUCED * INNER) * INNER + i % INNER];
}
