// total = total + weight * x

fn element(i: u32) {
  total[i] += weight[0] * x[i];
}
