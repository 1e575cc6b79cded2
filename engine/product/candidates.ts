/** The kernels that can compute a product on an adapter, and the choice between them. */
import type { Capabilities } from '../gpu.js';
import type { Dispatch, KernelContext } from '../op.js';
import { type Candidate, chosenDispatch, type Tunable } from '../tuning.js';
import { broadcastDispatch, broadcastTiles } from './broadcast.js';
import { matrixDispatch, matrixName } from './matrix.js';
import { expectedResults, type Product } from './product.js';
import { registersDispatch } from './registers.js';
import { matrixTiles, stagedTiles } from './rules.js';
import { STAGED_TILES, type StagedTile, stagedDispatch, stagedTile } from './staged.js';

/** Lanes of a subgroup, where they are known before a kernel runs and are a CPU's vector. */
function cpuLanes({ level, software, subgroupSize }: Capabilities): number | undefined {
  if (!software || level === 'portable' || !subgroupSize) return undefined;
  const [smallest, largest] = subgroupSize;
  return smallest === largest ? smallest : undefined;
}

/**
 * The kernels that can compute `product`, in the order of preference: on a CPU the one that loads least first, on a GPU subgroup
 * matrices with the tile that should take the least time (rules.ts). The others are for where a kernel is found to be wrong.
 */
export function productCandidates(product: Product, capabilities: Capabilities): Candidate[] {
  const registers = { name: 'registers', dispatch: () => registersDispatch(product) };
  const lanes = cpuLanes(capabilities);
  if (lanes !== undefined)
    return [
      ...broadcastTiles(product, lanes).map((tile) => ({
        name: `broadcast ${tile.rows}x${4 * tile.vectors}, k by ${tile.steps}`,
        dispatch: () => broadcastDispatch(product, lanes, tile),
      })),
      registers,
    ];
  if (capabilities.software) {
    const best = stagedTile(product.sizes);
    return [registers, ...[best, ...STAGED_TILES.filter((tile) => tile !== best)].map(staged)];
  }
  const matrix = matrixTiles(product, capabilities).map((tile) => ({
    name: matrixName(tile),
    dispatch: () => matrixDispatch(product, tile, capabilities),
  }));
  const plain = stagedTiles(product, capabilities).map(staged);
  return [...matrix, ...(matrix.length > 0 ? plain.slice(0, 1) : plain), registers];

  function staged(tile: StagedTile): Candidate {
    return { name: `staged ${tile}`, dispatch: () => stagedDispatch(product, tile) };
  }
}

/** What identifies a product to a tuner: sizes, layout, types and what follows. */
export function productKey({ a, b, c, sizes, epilogue, rounded }: Product): string {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, activation, pre, residual, slope } = epilogue;
  const layout = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  const after = [
    bias && 'bias',
    pre && 'pre',
    activation,
    slope && `slope of ${slope.activation}`,
    residual && 'residual',
    rounded && 'rounded',
  ].filter(Boolean);
  return [
    `product ${layout} ${batch}x${m}x${n}x${k} ${a.dtype} ${b.dtype} ${c.dtype}`,
    ...after.map(String),
  ].join(' + ');
}

/** The launch that computes a product. */
export function chooseProduct(product: Product, { capabilities, choose }: KernelContext): Dispatch {
  const candidates = productCandidates(product, capabilities);
  const expected: Tunable['expected'] = (values, output, at) =>
    expectedResults(product, values, at)[output as 'c' | 'pre'];
  const roundedInputs = product.rounded
    ? (['a', 'b'] as const).filter((operand) => product[operand].dtype === 'f32')
    : undefined;
  return chosenDispatch({ key: productKey(product), candidates, expected, roundedInputs }, choose);
}
