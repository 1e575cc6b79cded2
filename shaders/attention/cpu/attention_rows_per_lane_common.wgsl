enable subgroups;

//#include attention_layout

const TILE = ROWS_PER_LANE * LANES;
const BLOCK = BLOCK_ROWS_PER_LANE * LANES;
const LOG2_E = 1.44269504f;
const LN_2 = 0.693147181f;

// Whether a query takes a key before `end` into account.
fn seen(query: u32, key: u32, end: u32) -> bool {
  return (key < end) & (!CAUSAL | (key <= query));
}
