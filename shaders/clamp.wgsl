// x = min(x, LARGEST)

fn element(i: u32) {
  x[i] = min(x[i], LARGEST);
}
