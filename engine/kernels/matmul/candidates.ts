/** The kernels that can compute a matmul on an adapter, and the choice between them. */
import type { Capabilities } from '../../capabilities.js';
import type { Dispatch } from '../../graph/dispatch.js';
import type { KernelContext } from '../../graph/op.js';
import { type Candidate, chosenDispatch, type Tunable } from '../../graph/tunable.js';
import { cpuMatmulCandidates } from './cpu/candidates.js';
import { registerTiledCandidate } from './cpu/registerTiled.js';
import type { MatmulProblem } from './launch.js';
import { sharedMemoryTiles, tensorCoreTiles } from './rules.js';
import { sharedMemoryCandidate } from './sharedMemoryTiled.js';
import { isSkinny, skinnyDispatch } from './skinny.js';
import { tensorCoreDispatch, tensorCoreName } from './tensorCore.js';
import { matmulTrial, smallMatmul } from './trial.js';

/**
 * The kernels that can compute `problem`, in the order of preference. On a GPU: the skinny kernel where there are few rows, then
 * tensor cores, then shared-memory tiles, each with the tile that should take the least time first (rules.ts). A later one is used
 * where an earlier one fails its numeric check, or where `promptkd tune` timed it as faster.
 */
export function matmulCandidates(
  problem: MatmulProblem,
  capabilities: Capabilities,
): Candidate<MatmulProblem>[] {
  if (capabilities.software) return cpuMatmulCandidates(problem, capabilities);
  const tensorCore = tensorCoreTiles(problem, capabilities).map((tile) => ({
    name: tensorCoreName(tile),
    dispatch: (work: MatmulProblem) => tensorCoreDispatch(work, tile, capabilities),
  }));
  const sharedMemory = sharedMemoryTiles(problem, capabilities).map(sharedMemoryCandidate);
  const skinny = isSkinny(problem) ? [{ name: 'skinny', dispatch: skinnyDispatch }] : [];
  return [
    ...skinny,
    ...tensorCore,
    ...(tensorCore.length > 0 ? sharedMemory.slice(0, 1) : sharedMemory),
    registerTiledCandidate,
  ];
}

/** Under what a choice is kept: sizes, layout, types and epilogue, as `matmul NT 1x8x768x512 f32 f16 f32 + bias`. */
function matmulKey({ a, b, c, sizes, epilogue, rounded }: MatmulProblem): string {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, activation, preactivation, residual, activationGradient } = epilogue;
  const layout = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  const after = [
    bias && 'bias',
    preactivation && 'preactivation',
    activation,
    activationGradient && `gradient of ${activationGradient.activation}`,
    residual && 'residual',
    rounded && 'rounded',
  ].filter(Boolean);
  return [
    `matmul ${layout} ${batch}x${m}x${n}x${k} ${a.dtype} ${b.dtype} ${c.dtype}`,
    ...after.map(String),
  ].join(' + ');
}

/** The launch that computes `problem`: what the tuner or the checks chose, else the first candidate. */
export function chooseMatmul(problem: MatmulProblem, { capabilities, choose }: KernelContext): Dispatch {
  const tunable: Tunable<MatmulProblem> = {
    key: matmulKey(problem),
    work: problem,
    candidates: matmulCandidates(problem, capabilities),
    trial: (candidate) => {
      const work = smallMatmul(problem, candidate.dispatch(problem));
      return matmulTrial(work, candidate.dispatch(work));
    },
  };
  return chosenDispatch(tunable, choose);
}
