/** Schedules to look at without a device. */
import { PORTABLE } from '../../engine/capabilities.js';
import { type PlanRequest, Schedule, type ScheduleOptions } from '../../engine/gpu/schedule.js';
import { constant, input, type Tensor, variable } from '../../engine/graph/tensor.js';
import { memoryOf } from '../../engine/graph/traverse.js';
import { tensorOf } from '../../engine/kernels/kernelSource.js';
import { activation } from '../../engine/ops/activation.js';
import { add } from '../../engine/ops/add.js';
import { checkpoint } from '../../engine/ops/checkpoint.js';
import { linear } from '../../engine/ops/linear.js';
import { multiply } from '../../engine/ops/multiply.js';
import { sum } from '../../engine/ops/reduce.js';
import { grad } from '../../engine/train/autograd.js';
import { sgd } from '../../engine/train/optim.js';

/** A schedule for an adapter without special abilities. */
export const schedule = (request: PlanRequest, options?: ScheduleOptions) =>
  new Schedule(request, PORTABLE, options);
/** A constant of one value. */
export const one = (value: number) => constant(Float32Array.of(value), [1]);
/** A trained matrix. */
export const matrix = (label: string) => variable(undefined, [8, 8], label);

/**
 * Replays a schedule twice and says what is wrong: a launch that reads a tensor whose slot holds something else by then, or
 * that writes where it reads, a slot that is too small, or an output that does not survive.
 */
export function faultsOf(made: Schedule): string[] {
  const faults: string[] = [];
  const { slotOf } = made;
  for (const run of [1, 2]) {
    const holds = new Map<object, Tensor>();
    const written = new Set<Tensor>();
    for (const [at, dispatch] of made.dispatches.entries()) {
      const reads = Object.values(dispatch.reads).map((operand) => memoryOf(tensorOf(operand)));
      const writes = Object.values(dispatch.writes).map((operand) => memoryOf(tensorOf(operand)));
      const say = (what: string, tensor: Tensor) =>
        faults.push(`run ${run}, launch ${at} (${dispatch.shader}): ${tensor} ${what}`);
      for (const tensor of reads) {
        const slot = slotOf.get(tensor);
        if (tensor.leaf ? !made.leaves.has(tensor) : !slot) say('has no memory', tensor);
        else if (slot && holds.get(slot) !== tensor) say('is read where something else lies', tensor);
      }
      for (const tensor of writes) {
        if (tensor.leaf) continue;
        const slot = slotOf.get(tensor);
        if (!slot) say('is written nowhere', tensor);
        else {
          if (slot.bytes < tensor.bytes) say('does not fit its slot', tensor);
          if (reads.some((read) => read !== tensor && slotOf.get(read) === slot))
            say('overwrites an input', tensor);
          holds.set(slot, tensor);
        }
        written.add(tensor);
      }
      const slots = writes.flatMap((tensor) => slotOf.get(tensor) ?? []);
      if (new Set(slots).size < slots.length) faults.push(`launch ${at} writes two tensors to one slot`);
    }
    for (const output of made.outputs.map(memoryOf)) {
      const slot = slotOf.get(output);
      if (output.leaf ? !made.leaves.has(output) : !slot || holds.get(slot) !== output)
        faults.push(`${output} is gone after run ${run}`);
    }
    for (const output of made.outputs.map(memoryOf))
      for (const [tensor, slot] of slotOf)
        if (tensor !== output && slot === slotOf.get(output)) faults.push(`${tensor} shares with an output`);
  }
  return faults;
}

/** A training step of a few layers; with momentum. */
export function step(layers: number) {
  const x = input([8, 8], 'x');
  const weights = Array.from({ length: layers }, (_, i) => matrix(`w${i}`));
  let y: Tensor = x;
  for (const weight of weights) y = add(y, activation(linear(checkpoint(y), weight), 'quickGelu'));
  const loss = sum(multiply(y, y));
  const gradients = grad(loss, weights);
  const { updates, state } = sgd(weights, gradients, one(0.1), { momentum: 0.9, weightDecay: 0 });
  return { x, weights, loss, gradients, updates, state };
}
