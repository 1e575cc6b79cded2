// Sum and product, y = a + b (entry `add`) and y = a b (entry `multiply`). One invocation an element, which is four values if VECTOR.
//
// Bindings: a and b read, y written; float32. b is repeated every B_SIZE elements (broadcast over leading axes)
// Sizes: B_SIZE and SIZE, in elements
// Constants: VECTOR; B_SCALAR: b is one number

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
