// PyTorch's AdamW, one invocation an element:
//   m = BETA1 m + (1 - BETA1) g;  v = BETA2 v + (1 - BETA2) g^2
//   p = p - rate WEIGHT_DECAY p - rate (m / c1) / (sqrt(v / c2) + EPSILON)
// with c1 = 1 - BETA1^t and c2 = 1 - BETA2^t after t steps (entry `correct`), and g the gradient.
//
// Bindings: parameter (p), first (m), second (v), corrections (c1, c2) changed; gradient, rate [1], factor [1], gate [1] read; float32
// Constants:
//   BETA1, BETA2, EPSILON, WEIGHT_DECAY; REST1, REST2: 1 - BETA1, 1 - BETA2
//   CORRECT    `correct` is compiled
//   SCALED     the gradient is multiplied by factor[0]
//   GATED      a gate of 0 leaves everything as it is

//#if CORRECT
// 1 - BETA^t is the moving average of a gradient that is always 1: the same recursion as m and v, so it needs no power
// function, whose error would be large against 1 - BETA^t in the first steps.
fn correct(only: u32) {
  //#if GATED
  if (gate[0] == 0.0) { return; }
  //#endif
  corrections[0] = BETA1 * corrections[0] + REST1;
  corrections[1] = BETA2 * corrections[1] + REST2;
}
//#else
fn element(i: u32) {
  //#if GATED
  if (gate[0] == 0.0) { return; }
  //#endif
  //#if SCALED
  let g = gradient[i] * factor[0];
  //#else
  let g = gradient[i];
  //#endif
  let m = BETA1 * first[i] + REST1 * g;
  let v = BETA2 * second[i] + REST2 * g * g;
  first[i] = m;
  second[i] = v;
  let p = parameter[i];
  let step = m / corrections[0] / (sqrt(v / corrections[1]) + EPSILON);
  parameter[i] = p - rate[0] * (WEIGHT_DECAY * p + step);
}
//#endif
