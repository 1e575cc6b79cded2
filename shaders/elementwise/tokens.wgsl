// Inserts, replaces and removes rows AT .. AT + COUNT - 1 of token sequences. One invocation an element of y, which is four values if
// VECTOR.
//   merge    y [BATCH, Y_TOKENS, WIDTH] = x with `rows` inserted (Y_TOKENS > X_TOKENS) or in place of its own
//   remove   y [BATCH, Y_TOKENS, WIDTH] = x without those rows
//   zero     y = x with zeros there
//   sum      y [COUNT, WIDTH] = those rows of x summed over the batch, first sequence first
//
// Bindings: x [BATCH, X_TOKENS, WIDTH] and rows [COUNT, WIDTH] (`merge` only) read, y written; float32
// Sizes: BATCH, X_TOKENS, Y_TOKENS, AT, COUNT; WIDTH and SIZE (of y) in elements
// Constants: VECTOR; MERGE: `merge` is compiled, else the others

//#if VECTOR
alias Value = vec4f;
//#else
alias Value = f32;
//#endif

//#if MERGE
fn merge(i: u32) {
  let column = i % WIDTH;
  let token = i / WIDTH % Y_TOKENS;
  let sequence = i / WIDTH / Y_TOKENS * X_TOKENS;
  if (token < AT) {
    y[i] = x[(sequence + token) * WIDTH + column];
  } else if (token < AT + COUNT) {
    y[i] = rows[(token - AT) * WIDTH + column];
  } else {
    y[i] = x[(sequence + token - (Y_TOKENS - X_TOKENS)) * WIDTH + column];
  }
}
//#else

fn remove(i: u32) {
  let token = i / WIDTH % Y_TOKENS;
  let source = i / WIDTH / Y_TOKENS * X_TOKENS + token + select(0u, COUNT, token >= AT);
  y[i] = x[source * WIDTH + i % WIDTH];
}

fn zero(i: u32) {
  let token = i / WIDTH % X_TOKENS;
  y[i] = select(x[i], Value(0.0), token >= AT && token < AT + COUNT);
}

fn sum(i: u32) {
  var total = Value(0.0);
  for (var b = 0u; b < BATCH; b++) {
    total += x[(b * X_TOKENS + AT) * WIDTH + i];
  }
  y[i] = total;
}
//#endif
