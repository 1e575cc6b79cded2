/** The tensor engine: record a graph, differentiate it, compile it once, replay it. */

export type { Capabilities, Level } from './capabilities.js';
export { UserError } from './errors.js';
export { type AdapterSummary, Gpu, type GpuOptions, listAdapters, openGpu } from './gpu/gpu.js';
export { leafBuffer, readLeaf, release, write } from './gpu/memory.js';
export { type CompileOptions, Plan } from './gpu/plan.js';
export { type KernelTime, profile } from './gpu/profile.js';
export { type PlanDescription, type PlanRequest, Schedule } from './gpu/schedule.js';
export { type Dispatch, grid } from './graph/dispatch.js';
export { call, type Op, record } from './graph/op.js';
export { evaluate } from './graph/reference.js';
export {
  constant,
  type DType,
  input,
  type LeafKind,
  type Shape,
  scalar,
  Tensor,
  variable,
} from './graph/tensor.js';
export { fromHalf, toHalf } from './half.js';
export * from './ops/activation.js';
export { add } from './ops/add.js';
export { type AttentionOptions, attention } from './ops/attention.js';
export { batchNorm, batchNormEval, updateRunningStatistics } from './ops/batchNorm.js';
export { cast } from './ops/cast.js';
export { crossEntropy } from './ops/crossEntropy.js';
export { exp } from './ops/exp.js';
export { embedding, gatherRows, scatterRows } from './ops/gatherRows.js';
export { klSoftmax } from './ops/klSoftmax.js';
export { l2Normalize } from './ops/l2Normalize.js';
export { layerNorm } from './ops/layerNorm.js';
export { linear } from './ops/linear.js';
export { matmul } from './ops/matmul.js';
export { mean } from './ops/mean.js';
export { l1Mean, mseMean } from './ops/meanDifference.js';
export { multiply } from './ops/multiply.js';
export { assemblePatches, extractPatches, patchEmbedding } from './ops/patches.js';
export { sum, sumLast, sumLeading } from './ops/reduce.js';
export { reshape } from './ops/reshape.js';
export { logSoftmax, softmax } from './ops/softmax.js';
export { insertTokens, removeTokens, replaceTokens, sumTokens, zeroTokens } from './ops/tokens.js';
export { transpose } from './ops/transpose.js';
export { type AdamWOptions, adamW } from './train/adamW.js';
export { grad } from './train/autograd.js';
export { clipFactor, squaredNorm } from './train/clipGradients.js';
export { type ScaledGradients, scaledGrad } from './train/lossScale.js';
export { allFinite, largestMagnitude, type Watch } from './train/magnitude.js';
export {
  accumulate,
  accumulated,
  type CosineSchedule,
  clampVariable,
  clear,
  cosineRate,
  type GradientTotals,
  type Optimiser,
  type SgdOptions,
  sgd,
} from './train/optim.js';
