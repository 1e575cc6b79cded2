// y = x, stored in another way; one invocation four values, SIZE of them.

fn element(i: u32) {
  store_y(i, load_x(i));
}
