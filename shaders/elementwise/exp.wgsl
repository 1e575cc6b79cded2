// y = e^x

//#include nan

fn element(i: u32) {
  y[i] = exp_of(x[i]);
}
