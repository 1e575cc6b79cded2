/** The kernels that can compute a product on an adapter, and the choice between them. */
import type { Capabilities } from '../../capabilities.js';
import type { Dispatch } from '../../graph/dispatch.js';
import type { KernelContext } from '../../graph/op.js';
import { type Candidate, chosenDispatch, type Tunable } from '../../graph/tunable.js';
import type { Product } from './launch.js';
import { registersDispatch } from './registerTiled.js';
import { matrixTiles, stagedTiles } from './rules.js';
import { STAGED_TILES, type StagedTile, stagedDispatch, stagedTile } from './sharedMemoryTiled.js';
import { hasFewRows, rowsDispatch } from './skinny.js';
import { broadcastDispatch, broadcastTiles } from './subgroupBroadcast.js';
import { matrixDispatch, matrixName } from './tensorCore.js';
import { productTrial, smallProduct } from './trial.js';

/** Lanes of a subgroup, where they are known before a kernel runs and are a CPU's vector. */
function cpuLanes({ level, software, subgroupSize }: Capabilities): number | undefined {
  if (!software || level === 'portable' || !subgroupSize) return undefined;
  const [smallest, largest] = subgroupSize;
  return smallest === largest ? smallest : undefined;
}

/**
 * The kernels that can compute `product`, in the order of preference: on a CPU the one that loads least first, on a GPU the one for
 * a few rows, or subgroup matrices with the tile that should take the least time (rules.ts). The others are for where a kernel is
 * found to be wrong.
 */
export function productCandidates(product: Product, capabilities: Capabilities): Candidate<Product>[] {
  const registers = { name: 'registers', dispatch: registersDispatch };
  const lanes = cpuLanes(capabilities);
  if (lanes !== undefined)
    return [
      ...broadcastTiles(product, lanes).map((tile) => ({
        name: `broadcast ${tile.rows}x${4 * tile.vectors}, k by ${tile.steps}`,
        dispatch: (work: Product) => broadcastDispatch(work, lanes, tile),
      })),
      registers,
    ];
  if (capabilities.software) {
    const best = stagedTile(product.sizes);
    return [registers, ...[best, ...STAGED_TILES.filter((tile) => tile !== best)].map(staged)];
  }
  const matrix = matrixTiles(product, capabilities).map((tile) => ({
    name: matrixName(tile),
    dispatch: (work: Product) => matrixDispatch(work, tile, capabilities),
  }));
  const plain = stagedTiles(product, capabilities).map(staged);
  const rows = hasFewRows(product) ? [{ name: 'rows', dispatch: rowsDispatch }] : [];
  return [...rows, ...matrix, ...(matrix.length > 0 ? plain.slice(0, 1) : plain), registers];

  function staged(tile: StagedTile): Candidate<Product> {
    return { name: `staged ${tile}`, dispatch: (work) => stagedDispatch(work, tile) };
  }
}

/** What identifies a choice: sizes, layout, types and what follows. */
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
  const tunable: Tunable<Product> = {
    key: productKey(product),
    work: product,
    candidates: productCandidates(product, capabilities),
    trial: (candidate) => {
      const work = smallProduct(product, candidate.dispatch(product));
      return productTrial(work, candidate.dispatch(work));
    },
  };
  return chosenDispatch(tunable, choose);
}
