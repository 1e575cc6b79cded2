// Gathers rows, y[m] = x[indices[m]], and the backward pass: x[n] = sum over the m with indices[m] = n of y[m], in the order of m, in
// three launches without atomics:
//   link    links[m] = (1 if no earlier m has this index else 0, the next m that has it or COUNT); one invocation an m
//   clear   x = 0
//   add     the first m of each index adds up its list; one invocation an element of y, the others return
// An index outside means the nearest row. An element is one value, or four where the width allows it.
//
// Bindings: x [ROWS, WIDTH], y [COUNT, WIDTH], float32 or float16; indices [COUNT] and links [COUNT, 2], i32
// Sizes: ROWS, COUNT; WIDTH in elements
// Constants: GATHER, LINK, CLEAR, ADD: which entry point is compiled; VECTOR: an element of x that `clear` writes is four values

fn row_of(index: i32) -> u32 {
  return u32(clamp(index, 0, i32(ROWS) - 1));
}

//#if GATHER
fn gather(i: u32) {
  store_y(i, load_x(row_of(indices[i / WIDTH]) * WIDTH + i % WIDTH));
}
//#endif

//#if LINK
fn link(m: u32) {
  let row = row_of(indices[m]);
  var first = 1;
  var next = COUNT;
  for (var other = 0u; other < COUNT; other++) {
    if (row_of(indices[other]) == row) {
      if (other < m) {
        first = 0;
      }
      if (other > m) {
        next = other;
        break;
      }
    }
  }
  links[2u * m] = first;
  links[2u * m + 1u] = i32(next);
}
//#endif

//#if CLEAR
fn clear(i: u32) {
  //#if VECTOR
  store_x(i, vec4f(0.0));
  //#else
  store_x(i, 0.0);
  //#endif
}
//#endif

//#if ADD
fn add(i: u32) {
  let m = i / WIDTH;
  if (links[2u * m] == 0) { return; }
  let column = i % WIDTH;
  var total = load_y(i);
  for (var next = u32(links[2u * m + 1u]); next < COUNT; next = u32(links[2u * next + 1u])) {
    total += load_y(next * WIDTH + column);
  }
  store_x(row_of(indices[m]) * WIDTH + column, total);
}
//#endif
