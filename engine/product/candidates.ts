/** The kernels that can compute a product on an adapter, and the choice between them. */
import type { Capabilities } from '../gpu.js';
import type { Dispatch, KernelContext } from '../op.js';
import { type Candidate, chosenDispatch, type Tunable } from '../tuning.js';
import { broadcastDispatch, broadcastTiles } from './broadcast.js';
import { matrixDispatch, matrixName, matrixTiles } from './matrix.js';
import type { Product } from './product.js';
import { registersDispatch } from './registers.js';
import { STAGED_TILES, stagedDispatch, stagedTile } from './staged.js';
import { productTrial, smallProduct } from './trial.js';

/** Lanes of a subgroup, where they are known before a kernel runs and are a CPU's vector. */
function cpuLanes({ level, software, subgroupSize }: Capabilities): number | undefined {
  if (!software || level === 'portable' || !subgroupSize) return undefined;
  const [smallest, largest] = subgroupSize;
  return smallest === largest ? smallest : undefined;
}

/**
 * Every kernel that can compute `product`. The first one is what an untuned adapter gets: on a CPU the one that loads least,
 * on a GPU the staged one with tiles that fill it. Subgroup matrices wait for a tuner's word.
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
  const best = stagedTile(product.sizes);
  const staged = [best, ...STAGED_TILES.filter((tile) => tile !== best)].map((tile) => ({
    name: `staged ${tile}`,
    dispatch: (work: Product) => stagedDispatch(work, tile),
  }));
  if (capabilities.software) return [registers, ...staged];
  const matrix = capabilities.level === 'matrix' ? matrixTiles(product, capabilities) : [];
  return [
    ...staged,
    registers,
    ...matrix.map((tile) => ({
      name: matrixName(tile),
      dispatch: (work: Product) => matrixDispatch(work, tile, capabilities),
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
  const tunable: Tunable<Product> = {
    key: productKey(product),
    work: product,
    candidates: productCandidates(product, capabilities),
    trial: (candidate) => {
      const work = smallProduct(product);
      return productTrial(work, candidate.dispatch(work));
    },
  };
  return chosenDispatch(tunable, choose);
}
