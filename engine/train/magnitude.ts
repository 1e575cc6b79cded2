/** The largest magnitudes of tensors, and whether they are finite: several tensors per launch, so that checking is cheap. */

import { type Dispatch, vectors } from '../graph/dispatch.js';
import { call, type GraphNode, type Op, record } from '../graph/op.js';
import { type Tensor, variable } from '../graph/tensor.js';
import { examples, updating } from '../ops/example.js';

/** `[1]`: 1 where every value of every tensor is finite, else 0. No gradient rule. */
export const allFinite = (tensors: readonly Tensor[]): Tensor => call(finiteOp, tensors, null);

/** A check of tensors after their updates. */
export interface Watch {
  readonly tensors: readonly Tensor[];
  /** `[n]`: the largest |x| of each tensor when `update` ran last, 0 before; Infinity where a value is infinite or NaN. */
  readonly magnitudes: Tensor;
  /** The update that looks; list it after those that change the tensors. */
  readonly update: GraphNode;
}

/** Records a check of at least one float32 tensor. It is an update, as updates run in the order of recording. */
export function largestMagnitude(tensors: readonly Tensor[]): Watch {
  const magnitudes = variable(new Float32Array(tensors.length), [tensors.length], 'largest magnitudes');
  const update = record(magnitudeOp, [magnitudes, ...tensors], null);
  return { tensors, magnitudes, update };
}

/** Tensors per launch: WebGPU guarantees eight storage buffers, and one holds the results. */
const TENSORS = 7;
/** The fewest values per workgroup, and the most workgroups per launch (CPU adapters have few cores). */
const LEAST_SHARE = 4096;
const MOST_GROUPS = { gpu: 256, software: 8 };

const launchesFor = (tensors: number) => Math.ceil(tensors / TENSORS);
const partsOf = (tensors: readonly Tensor[]) => launchesFor(tensors.length) * TENSORS * MOST_GROUPS.gpu;

/** The launches that check `inputs`, and the one that combines their results in `y`: one value per tensor, or one flag. */
function launches(
  inputs: readonly Tensor[],
  parts: Tensor,
  y: Tensor,
  software: boolean,
  flag: boolean,
): Dispatch[] {
  const { lanes, VECTOR, as } = vectors(...inputs.map(({ size }) => size));
  const largest = Math.max(...inputs.map(({ size }) => size));
  const groups = Math.min(
    software ? MOST_GROUPS.software : MOST_GROUPS.gpu,
    Math.ceil(largest / LEAST_SHARE),
  );
  const count = launchesFor(inputs.length);
  const check = (_: unknown, launch: number): Dispatch => {
    // Every launch binds the same number of tensors, so that all share a kernel: missing ones are the first again, with size 0.
    const own = Array.from({ length: TENSORS }, (_, i) => inputs[launch * TENSORS + i]);
    const sizes = own.map((tensor, i) => [`SIZE_${i}`, (tensor?.size ?? 0) / lanes]);
    return {
      shader: 'magnitude',
      entry: 'check',
      constants: { CHECK: true, TENSORS, VECTOR },
      uniforms: { FIRST: launch * groups * TENSORS, ...Object.fromEntries(sizes) },
      uniformOnCpu: true,
      reads: Object.fromEntries(own.map((tensor, i) => [`x${i}`, as(tensor! ?? inputs[0])])),
      writes: { parts },
      workgroups: [groups, 1, 1],
    };
  };
  const finish: Dispatch = {
    shader: 'magnitude',
    entry: 'finish',
    constants: { CHECK: false },
    uniforms: { COUNT: flag ? count * TENSORS * groups : groups, FLAG: Number(flag) },
    uniformOnCpu: true,
    reads: { parts },
    writes: { y },
    workgroups: [flag ? 1 : inputs.length, 1, 1],
  };
  return [...Array.from({ length: count }, check), finish];
}

const finiteOp: Op<null, readonly Tensor[], [y: Tensor, parts: Tensor]> = {
  name: 'allFinite',
  outputs: (tensors) => [{ shape: [1] }, { shape: [partsOf(tensors)], scratch: true }],
  kernels: ({ inputs, outputs: [y, parts] }, { capabilities: { software } }) =>
    launches(inputs, parts, y, software, true),
  // The parts are the kernels' own.
  reference: (_, inputs) => [Float64Array.of(Number(inputs.every((x) => x.every(Number.isFinite))))],
};

const magnitudeOp: Op<null, [magnitudes: Tensor, ...tensors: Tensor[]], [parts: Tensor]> = {
  name: 'largestMagnitude',
  mutates: [0],
  outputs: ([, ...tensors]) => [{ shape: [partsOf(tensors)], scratch: true }],
  kernels: ({ inputs: [y, ...tensors], outputs: [parts] }, { capabilities: { software } }) =>
    launches(tensors, parts, y, software, false),
  reference: (_, [, ...tensors]) => [
    Float64Array.from(tensors, (x) =>
      x.reduce((most, v) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.max(most, Math.abs(v))), 0),
    ),
  ],
};

/** Calls for the checks of kernels and shaders. */
export const magnitudeExamples = examples(() =>
  [8, 7].map((width) => {
    const tensors = [variable(undefined, [3, width], 'watched')];
    return {
      ...updating('largestMagnitude', [largestMagnitude(tensors).update]),
      output: allFinite(tensors),
    };
  }),
);
