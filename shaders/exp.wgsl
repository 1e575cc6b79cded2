// y = e^x

fn element(i: u32) {
  y[i] = exp(x[i]);
}
