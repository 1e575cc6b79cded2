// What forward and backward of attention_rows_per_lane.wgsl share.
//
// Constants, beside those of attention_layout.wgsl:
//   LANES                  of a subgroup: 4
//   ROWS_PER_LANE          rows of the tile that each lane has
//   BLOCK_ROWS_PER_LANE    rows of a block of the other side that each lane loads
//   UNROLL                 vectors of four columns that a turn of an inner loop takes
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
