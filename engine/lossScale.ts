/**
 * Dynamic loss scaling (Micikevicius et al., arXiv 1710.03740), for gradients that pass through float16: the loss is
 * multiplied by a power of two so that small gradients do not vanish, the gradients are divided by it again, a step whose
 * gradients overflowed changes nothing, and the scale falls after such a step and grows after many good ones. All of it
 * happens on the device: a planned step decides by itself.
 */
import { type GradOptions, grad } from './autograd.js';
import { call, type Dispatch, float, type Op, record, vectors } from './op.js';
import { multiply } from './ops/multiply.js';
import { type GraphNode, type Tensor, variable } from './tensor.js';

/** Small enough for gradients of 60 to pass, large enough for those of 1e-7 to keep three bits. */
const INITIAL = 2 ** 10;
const LARGEST = 2 ** 24;
/** Good steps after which the scale doubles. */
const INTERVAL = 200;

export interface ScaledGradients {
  /** Of the loss itself, one a parameter; not finite where the step overflowed. */
  readonly gradients: readonly Tensor[];
  /** `[1]`: 1 where all of them are finite, else 0; the optimiser's gate. */
  readonly finite: Tensor;
  /** Changes the scale after the step. */
  readonly update: GraphNode;
  /** Variables that a checkpoint must keep. */
  readonly state: readonly Tensor[];
}

/**
 * Gradients of `loss` (shape `[1]`) with respect to `parameters`, computed under a scale that adapts.
 *
 * @param judged what of the gradients must be finite: their totals where those of several batches are added up
 */
export function scaledGrad(
  loss: Tensor,
  parameters: readonly Tensor[],
  options: GradOptions = {},
  judged: (gradients: readonly Tensor[]) => readonly Tensor[] = (gradients) => gradients,
): ScaledGradients {
  const scale = variable(Float32Array.of(INITIAL), [1], 'loss scale');
  const inverse = variable(Float32Array.of(1 / INITIAL), [1], 'inverse loss scale');
  const good = variable(Float32Array.of(0), [1], 'steps since the loss scale changed');
  const gradients = grad(multiply(loss, scale), parameters, options).map((g) => multiply(g, inverse));
  const finite = allFinite(judged(gradients));
  const update = record(scaleOp, [scale, inverse, good, finite], null) as GraphNode;
  return { gradients, finite, update, state: [scale, inverse, good] };
}

/** `[1]`: 1 where every value of every tensor is finite, else 0. No gradient rule. */
export const allFinite = (tensors: readonly Tensor[]): Tensor => call(finiteOp, tensors, null);

/** Tensors that one launch checks: WebGPU promises eight storage buffers, and one holds the flags. */
const TENSORS = 7;
/** Values that a workgroup checks at the least, and workgroups that a launch has at the most: CPU adapters have few cores. */
const LEAST_SHARE = 4096;
const MOST_GROUPS = { gpu: 256, software: 8 };

const launchesFor = (tensors: number) => Math.ceil(tensors / TENSORS);

const finiteOp: Op<null> = {
  name: 'allFinite',
  outputs: (tensors) => [
    { shape: [1] },
    { shape: [launchesFor(tensors.length) * MOST_GROUPS.gpu], scratch: true },
  ],
  kernels: ({ inputs, outputs: [y, flags] }, { capabilities: { software } }) => {
    const { lanes, VECTOR, as } = vectors(...inputs.map(({ size }) => size));
    const largest = Math.max(...inputs.map(({ size }) => size));
    const most = software ? MOST_GROUPS.software : MOST_GROUPS.gpu;
    const groups = Math.min(most, Math.ceil(largest / LEAST_SHARE));
    const launches = launchesFor(inputs.length);
    const check = (_: unknown, launch: number): Dispatch => {
      // Every launch binds as many tensors, so that one kernel does for all: a missing one is the first again, of size 0.
      const own = Array.from({ length: TENSORS }, (_, i) => inputs[launch * TENSORS + i]);
      const sizes = own.map((tensor, i) => [`SIZE_${i}`, (tensor?.size ?? 0) / lanes]);
      return {
        shader: 'finite',
        entry: 'check',
        constants: { CHECK: true, TENSORS, VECTOR },
        uniforms: { FIRST: launch * groups, ...Object.fromEntries(sizes) },
        reads: Object.fromEntries(own.map((tensor, i) => [`x${i}`, as(tensor ?? inputs[0]!)])),
        writes: { flags: flags! },
        workgroups: [groups, 1, 1],
      };
    };
    return [
      ...Array.from({ length: launches }, check),
      {
        shader: 'finite',
        entry: 'every',
        constants: {},
        uniforms: { COUNT: launches * groups },
        reads: { flags: flags! },
        writes: { y: y! },
        workgroups: [1, 1, 1],
      },
    ];
  },
  // The flags are the kernels' own.
  reference: (_, inputs) => [Float64Array.of(Number(inputs.every((x) => x.every(Number.isFinite))))],
};

const scaleOp: Op<null> = {
  name: 'updateLossScale',
  mutates: [0, 1, 2],
  outputs: () => [],
  kernels: ({ inputs: [scale, inverse, good, finite] }) => [
    {
      shader: 'loss_scale',
      constants: { INTERVAL: float(INTERVAL), LARGEST: float(LARGEST) },
      reads: { finite: finite! },
      writes: { scale: scale!, inverse: inverse!, good: good! },
      workgroups: [1, 1, 1],
    },
  ],
  reference: (_, [scale, , good, finite]) => {
    let [next, steps] = [scale![0]!, good![0]! + 1];
    if (finite![0] === 0) [next, steps] = [Math.max(1, next / 2), 0];
    else if (steps >= INTERVAL) [next, steps] = [Math.min(LARGEST, next * 2), 0];
    return [Float64Array.of(next), Float64Array.of(1 / next), Float64Array.of(steps)];
  },
};
