// Images [batch, CHANNELS, GRID * PATCH, GRID * PATCH] and their patches [batch, GRID * GRID, CHANNELS * PATCH * PATCH]
// hold the same elements in another order: y = patches of x, or the images back when ASSEMBLE.
// One invocation an element, in the order of the patches; an element is four floats along x where PATCH allows it, and
// PATCH_X counts elements.

fn element(i: u32) {
  let kx = i % PATCH_X;
  let ky = i / PATCH_X % PATCH;
  let channel = i / (PATCH_X * PATCH) % CHANNELS;
  let patch_row = i / (PATCH_X * PATCH * CHANNELS);
  let gx = patch_row % GRID;
  let gy = patch_row / GRID % GRID;
  let image = patch_row / (GRID * GRID);
  let at = ((image * CHANNELS + channel) * GRID * PATCH + gy * PATCH + ky) * GRID * PATCH_X + gx * PATCH_X + kx;
  if (ASSEMBLE) {
    y[at] = x[i];
  } else {
    y[i] = x[at];
  }
}
