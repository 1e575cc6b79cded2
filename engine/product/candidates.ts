/** The kernels that can compute a product on an adapter, and the choice between them. */
import type { Capabilities } from '../gpu.js';
import type { Dispatch, KernelContext } from '../op.js';
import { type Candidate, chosenDispatch, type Tunable } from '../tuning.js';
import { broadcastDispatch, broadcastTiles } from './broadcast.js';
import { matrixDispatch, matrixName, matrixTiles } from './matrix.js';
import { expectedResults, type Product } from './product.js';
import { registersDispatch } from './registers.js';
import { hasFewRows, rowsDispatch } from './rows.js';
import { STAGED_TILES, stagedDispatch, stagedTile } from './staged.js';

/** Lanes of a subgroup, where they are known before a kernel runs and are a CPU's vector. */
function cpuLanes({ level, software, subgroupSize }: Capabilities): number | undefined {
  if (!software || level === 'portable' || !subgroupSize) return undefined;
  const [smallest, largest] = subgroupSize;
  return smallest === largest ? smallest : undefined;
}

/**
 * Every kernel that can compute `product`. The first one is what an untuned adapter gets: on a CPU the one that loads least,
 * on a GPU the one for a few rows, or the staged one with tiles that fill it. Subgroup matrices wait for a tuner's word.
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
  const best = stagedTile(product.sizes);
  const staged = [best, ...STAGED_TILES.filter((tile) => tile !== best)].map((tile) => ({
    name: `staged ${tile}`,
    dispatch: () => stagedDispatch(product, tile),
  }));
  if (capabilities.software) return [registers, ...staged];
  const matrix = capabilities.level === 'matrix' ? matrixTiles(product, capabilities) : [];
  return [
    ...(hasFewRows(product) ? [{ name: 'rows', dispatch: () => rowsDispatch(product) }] : []),
    ...staged,
    registers,
    ...matrix.map((tile) => ({
      name: matrixName(tile),
      experimental: true,
      dispatch: () => matrixDispatch(product, tile, capabilities),
    })),
  ];
}

/** What identifies a product to a tuner: sizes, layout, types and what follows. */
export function productKey({ a, b, c, sizes, epilogue }: Product): string {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, activation, pre, residual, slope } = epilogue;
  const layout = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  const after = [
    bias && 'bias',
    pre && 'pre',
    activation,
    slope && `slope of ${slope.activation}`,
    residual && 'residual',
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
  return chosenDispatch({ key: productKey(product), candidates, expected }, choose);
}
