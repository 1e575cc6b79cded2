/**
 * The tensor engine: record a graph, differentiate it, compile it once, replay it.
 *
 * `Tensor`s come from leaves (`constant`, `variable`, `input`) and operations; `grad` adds the backward pass; `Plan.compile`
 * makes everything that a device needs, and `plan.run()` replays it.
 *
 * @module promptkd/engine
 */

export { type Capabilities, type Level, PORTABLE, type SubgroupMatrixConfig } from './capabilities.js';
export { type MemoryNeed, OutOfMemoryError, OutputError, UserError } from './errors.js';
export { type Example, everyExample, gradientsOf } from './examples.js';
export type { BackendName } from './gpu/adapter.js';
export {
  type AdapterSummary,
  DeviceLostError,
  Gpu,
  type GpuOptions,
  listAdapters,
  mebibytes,
  NoAdapterError,
  openGpu,
} from './gpu/gpu.js';
export { bindBuffers, getKernel, type Kernel } from './gpu/kernel.js';
export {
  attachChecks,
  checksOf,
  KernelChecks,
  type KernelChecksOptions,
  kernelWork,
  shaderFingerprint,
  type VerdictStore,
} from './gpu/kernelChecks.js';
export type { Launch } from './gpu/launch.js';
export {
  kernelRunner,
  planRunner,
  type Repetition,
  type Runner,
  runsFor,
  type Timing,
  warmUp,
  warmUpFor,
} from './gpu/measure.js';
export {
  copyLeaf,
  createStorage,
  freeStorage,
  leafBuffer,
  measureRoom,
  Reader,
  readLeaf,
  release,
  releaseAll,
  write,
} from './gpu/memory.js';
export { type LaunchObserver, observe, observerOf, submit } from './gpu/observer.js';
export { multiplyAdd, peakGraphs } from './gpu/peaks.js';
export { type CompileOptions, Plan, prefetchPipelines } from './gpu/plan.js';
export { type KernelTime, profile } from './gpu/profile.js';
export { RunTimes } from './gpu/runTimes.js';
export {
  choicesOf,
  type PlanDescription,
  type PlanRequest,
  Schedule,
  type ScheduleOptions,
  type Slot,
} from './gpu/schedule.js';
export { type SelfCheck, selfCheck } from './gpu/selfCheck.js';
export { attachTuner, type TunedChoice, Tuner, type TunerOptions, type TuningStore } from './gpu/tuner.js';
export {
  type Constant,
  type Dispatch,
  type Extent,
  float,
  type Grid,
  grid,
  type Operand,
  type Shader,
  type Uniform,
  vectors,
} from './graph/dispatch.js';
export {
  call,
  type Each,
  type GraphNode,
  type KernelContext,
  nodeOf,
  type Op,
  type OutputSpec,
  record,
  type Tensors,
} from './graph/op.js';
export { evaluate } from './graph/reference.js';
export * from './graph/tensor.js';
export { memoryOf, recordingOrder } from './graph/traverse.js';
export type { Candidate, Choose, Expected, Trial, Tunable } from './graph/tunable.js';
export { fromHalf, type RoundedHalves, roundHalves, toHalf } from './half.js';
export { ACTIVATIONS, type Activation } from './kernels/activations.js';
export { HEAD_WIDTH } from './kernels/attention/launch.js';
export {
  defineShader,
  type KernelSource,
  kernelKey,
  kernelSource,
  shaderKernel,
} from './kernels/kernelSource.js';
export { hasFloat16TensorCores } from './kernels/matmul/tensorCore.js';
export type { Examples } from './ops/example.js';
export * from './ops/index.js';
export * from './train/index.js';
