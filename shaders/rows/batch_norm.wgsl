// Batch normalisation of x [ROWS, WIDTH] by column, one invocation a column (ROWS is a batch, so it is small).
// With rstd = 1 / sqrt(variance + EPSILON) and xhat = (x - mean) rstd:
//   forward    mean and biased variance of the batch, y = xhat gamma + beta
//   evaluate   the same with mean and variance given, element by element
//   gradient   dgamma = sum of dy xhat, dbeta = sum of dy, and
//              BATCH_STATISTICS  dx = gamma rstd (dy - dbeta / ROWS - xhat dgamma / ROWS)
//              given statistics  dx = gamma rstd dy
//   running    running = (1 - MOMENTUM) running + MOMENTUM batch, the variance made unbiased by UNBIAS = n / (n - 1)
// The mean is summed of x - first row: constant columns come out exact, a common offset costs less.
//
// Bindings: x, y, dx, dy [ROWS, WIDTH]; gamma, beta, dgamma, dbeta, mean, variance, running_mean, running_variance [WIDTH]; float32
// Sizes: ROWS, WIDTH, EPSILON, MOMENTUM, UNBIAS
// Constants: FORWARD, EVALUATE, GRADIENT, RUNNING: which entry point is compiled; SAVE: `forward` writes mean and variance;
//   BATCH_STATISTICS; WANT_X, WANT_GAMMA, WANT_BETA: which gradients are written

//#if FORWARD
fn forward(column: u32) {
  let first = x[column];
  var sum = 0.0;
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) { sum += x[i] - first; }
  let centre = first + sum / f32(ROWS);
  var squares = 0.0;
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) {
    let d = x[i] - centre;
    squares += d * d;
  }
  let spread = squares / f32(ROWS);
  let scale = gamma[column] / sqrt(spread + EPSILON);
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) { y[i] = (x[i] - centre) * scale + beta[column]; }
  //#if SAVE
  mean[column] = centre;
  variance[column] = spread;
  //#endif
}
//#endif

//#if EVALUATE
fn evaluate(i: u32) {
  let column = i % WIDTH;
  y[i] = (x[i] - mean[column]) * gamma[column] / sqrt(variance[column] + EPSILON) + beta[column];
}
//#endif

//#if GRADIENT
fn gradient(column: u32) {
  let centre = mean[column];
  let rstd = 1.0 / sqrt(variance[column] + EPSILON);
  var sums = vec2f(0.0);
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) { sums += dy[i] * vec2f((x[i] - centre) * rstd, 1.0); }
  //#if WANT_X
  let scale = gamma[column] * rstd;
  let means = select(vec2f(0.0), sums / f32(ROWS), BATCH_STATISTICS);
  var rest = 0.0;
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) {
    let d = scale * (dy[i] - means.y - (x[i] - centre) * rstd * means.x);
    rest += d;
    dx[i] = d;
  }
  //#if BATCH_STATISTICS
  // A column of dx sums to zero; what rounding left of it would be the gradient of a bias before this.
  rest /= f32(ROWS);
  for (var i = column; i < ROWS * WIDTH; i += WIDTH) { dx[i] -= rest; }
  //#endif
  //#endif
  //#if WANT_GAMMA
  dgamma[column] = sums.x;
  //#endif
  //#if WANT_BETA
  dbeta[column] = sums.y;
  //#endif
}
//#endif

//#if RUNNING
fn running(column: u32) {
  running_mean[column] += MOMENTUM * (mean[column] - running_mean[column]);
  running_variance[column] += MOMENTUM * (variance[column] * UNBIAS - running_variance[column]);
}
//#endif
