// y = a + b and y = a b by SIZE elements, of four values where VECTOR.
// b is repeated every B_SIZE elements (broadcast over leading axes), or is one number (B_SCALAR).

//#if B_SCALAR
fn second(i: u32) -> f32 { return b[0]; }
//#else
//#if VECTOR
fn second(i: u32) -> vec4f { return b[select(i % B_SIZE, i, B_SIZE == SIZE)]; }
//#else
fn second(i: u32) -> f32 { return b[select(i % B_SIZE, i, B_SIZE == SIZE)]; }
//#endif
//#endif

fn add(i: u32) {
  y[i] = a[i] + second(i);
}

fn multiply(i: u32) {
  y[i] = a[i] * second(i);
}
