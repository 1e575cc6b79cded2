// Cuts images into patches, or assembles the images again: the same elements in another order. One invocation an element, in the order
// of the patches; an element is four values along x where PATCH allows it.
//
// Bindings: x read, y written; float32. Images are [batch, CHANNELS, GRID * PATCH, GRID * PATCH], patches
//   [batch, GRID * GRID, CHANNELS * PATCH * PATCH]
// Sizes: CHANNELS; GRID: patches along an edge; PATCH: pixels of its edge; PATCH_X: the same in elements; SIZE: elements
// Constants: ASSEMBLE: y = the images of the patches x

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
