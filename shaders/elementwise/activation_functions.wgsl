// Scalar activation functions and their derivatives, one pair each; a kernel calls them as $ACTIVATION and $ACTIVATION_derivative.
//   quick_gelu(x) = x sigmoid(1.702 x)
//   gelu(x)       = x Phi(x), Phi the standard normal distribution function: Phi(x) = erfc(-x / sqrt(2)) / 2
//   relu(x)       = 0 for negative x, else x
// No form overflows: exponents are never positive. NaN gives NaN, as in PyTorch.

fn identity(x: f32) -> f32 {
  return x;
}

fn identity_derivative(x: f32) -> f32 {
  return 1.0;
}

fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn quick_gelu(x: f32) -> f32 {
  return x * sigmoid(1.702 * x);
}

fn quick_gelu_derivative(x: f32) -> f32 {
  let s = sigmoid(1.702 * x);
  return s + 1.702 * x * s * sigmoid(-1.702 * x);
}

// Phi(x), and exp(-x x / 2), which its derivative needs. With z = |x| / sqrt(2), t = 1 / (1 + 0.35 z):
// erfc(z) = exp(-z z) t P(t), a least-maximum fit whose relative error is 1.1e-8 before rounding, in the tail too.
fn normal(x: f32) -> vec2f {
  let z = min(abs(x) * 0.70710678, 16.0);
  let t = 1.0 / (1.0 + 0.35 * z);
  var p = 0.042554833;
  p = fma(p, t, -0.181717217);
  p = fma(p, t, 0.235623255);
  p = fma(p, t, -0.100743592);
  p = fma(p, t, 0.148470119);
  p = fma(p, t, 0.112663634);
  p = fma(p, t, 0.162865177);
  p = fma(p, t, 0.185369164);
  p = fma(p, t, 0.197446927);
  p = fma(p, t, 0.197467715);
  let bell = exp(-z * z);
  let tail = 0.5 * bell * t * p;
  return vec2f(select(tail, 1.0 - tail, x > 0.0), bell);
}

fn gelu(x: f32) -> f32 {
  return x * normal(x).x;
}

fn gelu_derivative(x: f32) -> f32 {
  let both = normal(x);
  return both.x + x * 0.39894228 * both.y;
}

// By the bits, as max(x, 0) drops NaN: without the sign those of negative numbers end at infinity's, and NaN's come after it.
fn relu(x: f32) -> f32 {
  return select(x, 0.0, (bitcast<u32>(x) ^ 0x80000000u) <= 0x7f800000u);
}

fn relu_derivative(x: f32) -> f32 {
  return select(1.0, 0.0, x <= 0.0);
}
