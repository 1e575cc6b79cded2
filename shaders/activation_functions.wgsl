// Scalar activation functions and their derivatives; included by activation.wgsl and matmul.wgsl.
//   quick_gelu(x) = x sigmoid(1.702 x)
//   gelu(x)       = x Phi(x), Phi the standard normal distribution function: Phi(x) = erfc(-x / sqrt(2)) / 2
// No form overflows: exponents are never positive.

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

// erf(z) / z for |z| < 1, from u = z * z: least-maximum fit, error below 1e-8 before rounding.
fn erf_ratio(u: f32) -> f32 {
  var r = 7.84725917e-5;
  r = fma(r, u, -0.000800818934);
  r = fma(r, u, 0.00518809889);
  r = fma(r, u, -0.0268536911);
  r = fma(r, u, 0.112835822);
  r = fma(r, u, -0.376126256);
  return fma(r, u, 1.12837917);
}

// 1 - erf(z) for z >= 1: exp(-z z) t P(t) with t = 1 / (1 + 0.4 z); relative error below 3e-8 before rounding.
fn erfc_tail(z: f32) -> f32 {
  let bounded = min(z, 16.0);
  let t = 1.0 / (1.0 + 0.4 * bounded);
  var p = -0.11773585;
  p = fma(p, t, 0.247617879);
  p = fma(p, t, 0.00384019857);
  p = fma(p, t, 0.215574012);
  p = fma(p, t, 0.197997396);
  p = fma(p, t, 0.226818626);
  p = fma(p, t, 0.225618865);
  return exp(-bounded * bounded) * t * p;
}

fn normal_cdf(x: f32) -> f32 {
  let z = x * 0.70710678;
  if (abs(z) < 1.0) {
    return 0.5 + 0.5 * z * erf_ratio(z * z);
  }
  let tail = 0.5 * erfc_tail(abs(z));
  return select(tail, 1.0 - tail, x > 0.0);
}

fn gelu(x: f32) -> f32 {
  return x * normal_cdf(x);
}

fn gelu_derivative(x: f32) -> f32 {
  let bounded = clamp(x, -16.0, 16.0);
  return normal_cdf(x) + bounded * 0.39894228 * exp(-0.5 * bounded * bounded);
}
