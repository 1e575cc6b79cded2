// How matmul_tensor_core.wgsl reads one operand into workgroup memory; included once for each. Parameters:
//   x, X      a or b, A or B
//   COUNT     M or N: rows of A, columns of B
//   TILE      TILE_M or TILE_N: how many of them the workgroup's tile has
// A row in workgroup memory goes along the axis that is contiguous in storage: k if K_CONTIGUOUS_$X, else the rows (columns).

// In units: a row in workgroup memory, the operand's part of a step, the distance of rows, and what the part takes with padding.
const ACROSS_$X = select($TILE, TILE_K, K_CONTIGUOUS_$X) / UNIT;
const UNITS_$X = $TILE * TILE_K / UNIT;
const STRIDE_$X = ACROSS_$X + 1u;
const SHARED_$X = UNITS_$X / ACROSS_$X * STRIDE_$X;

//#if ROUND_$X
// Float32 is rounded to float16 on the way to workgroup memory and not when it is fetched: that would wait for the load.
alias Fetched_$X = mat2x4f;
fn unit_$x(at: u32) -> Fetched_$X { return Fetched_$X(load_$x(at / 4u), load_$x(at / 4u + 1u)); }
fn to_shared_$x(unit: Fetched_$X) -> Unit {
  return vec4u(bitcast<vec2u>(vec4<f16>(unit[0])), bitcast<vec2u>(vec4<f16>(unit[1])));
}
//#else
alias Fetched_$X = Unit;
fn to_shared_$x(unit: Fetched_$X) -> Unit { return unit; }
//#if FLOAT16
fn unit_$x(at: u32) -> Fetched_$X { return $x[at / UNIT]; }
//#else
fn unit_$x(at: u32) -> Fetched_$X { return load_$x(at / 4u); }
//#endif
//#endif

// Unit number `unit` of the step at k, of the tile that begins at row (column) `first`.
fn fetch_$x(z: u32, first: u32, k: u32, unit: u32) -> Fetched_$X {
  let row = unit / ACROSS_$X;
  let along = unit % ACROSS_$X * UNIT;
  //#if K_CONTIGUOUS_$X
  let depth = k + along;
  let at = (z * $COUNT + min(first + row, $COUNT - 1u)) * K + depth;
  //#else
  let depth = k + row;
  let at = (z * K + depth) * $COUNT + min(first + along, $COUNT - UNIT);
  //#endif
  if (RAGGED_K && depth >= K) { return Fetched_$X(); }
  return unit_$x(at);
}

fn store_shared_$x(begin: u32, unit: u32, value: Fetched_$X) {
  if (UNITS_$X % INVOCATIONS != 0u && unit >= UNITS_$X) { return; }
  shared_tiles[begin + unit / ACROSS_$X * STRIDE_$X + unit % ACROSS_$X] = to_shared_$x(value);
}
