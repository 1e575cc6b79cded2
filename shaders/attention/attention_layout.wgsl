// Where attention's arrays have what; included by its kernels. Arrays are of four values an element, HEAD a row of a head,
// except lse and delta: [batch, HEADS, TOKENS]. Rows beyond the last one are the last one.

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
