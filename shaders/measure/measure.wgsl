// What an adapter can do at most, as far as plain WGSL reaches: chains of multiply-adds in registers (entry `multiply_add`) and a copy
// (entry `copy`). One invocation an element of result.
//
// Bindings: source read (`copy` only), result written; float32
// Constants: ALU, COPY: which of the two is compiled; WIDE: vectors of four values; STEPS: multiply-adds of each of eight chains

//#if WIDE
alias VALUE = vec4f;
fn total(x: vec4f) -> f32 { return dot(x, vec4f(1.0)); }
//#else
alias VALUE = f32;
fn total(x: f32) -> f32 { return x; }
//#endif

fn multiply_add(id: u32) {
  //#if ALU
  // Eight independent chains hide the latency of one another.
  let factor = 1.0 - f32(id & 7u) * 0x1p-20;
  //#unroll i 8
  var x$i = VALUE(f32(id) + $i.0);
  //#end
  for (var step = 0u; step < STEPS; step++) {
    //#unroll i 8
    x$i = fma(x$i, VALUE(factor), VALUE(0.5));
    //#end
  }
  let sum = (x0 + x1) + (x2 + x3) + ((x4 + x5) + (x6 + x7));
  result[id] = total(sum);
  //#endif
}

fn copy(i: u32) {
  //#if COPY
  result[i] = source[i];
  //#endif
}
