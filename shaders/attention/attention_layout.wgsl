// Where attention's arrays have what; included by all its kernels. Heads are 64 columns wide.
//
// Bindings (bound as vec4, except lse and delta, which are float32):
//   qkv [batch, TOKENS, q | k | v, HEADS, 64]   projections; float32 or float16
//   o, d_o [batch, TOKENS, HEADS, 64]           output and its gradient
//   d_qkv                                       gradient of qkv, of its shape
//   lse [batch, HEADS, TOKENS]                  log of the sum of the exponentials of a query's scores, written by `forward`
//   delta [batch, HEADS, TOKENS]                d_o . o of a query, written by `backward_dq`, read by `backward_dkv`
// Sizes (uniforms on GPUs, constants on software adapters): TOKENS, HEADS
// Constants:
//   FORWARD, BACKWARD_DQ, BACKWARD_DKV   which entry point is compiled; BACKWARD: one of the last two
//   CAUSAL                               a query sees only the keys up to its own position
//   STORE_LSE                            `forward` writes lse
// Rows beyond the last one are the last one.

const HEAD = 16u;
// 1 / sqrt(64)
const SCALE = 0.125f;
const LOWEST = -3.0e38f;

//#include nan

fn qkv_row(batch: u32, token: u32, part: u32, head: u32) -> u32 {
  return ((batch * TOKENS + min(token, TOKENS - 1u)) * 3u + part) * HEADS * HEAD + head * HEAD;
}

fn o_row(batch: u32, token: u32, head: u32) -> u32 {
  return ((batch * TOKENS + min(token, TOKENS - 1u)) * HEADS + head) * HEAD;
}

// Where lse and delta have the value of a row.
fn scalar_at(batch: u32, token: u32, head: u32) -> u32 {
  return (batch * HEADS + head) * TOKENS + min(token, TOKENS - 1u);
}
