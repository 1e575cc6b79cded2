// x = min(x, LARGEST)

//#include nan

fn element(i: u32) {
  x[i] = select(min(x[i], LARGEST), x[i], is_nan(x[i]));
}
