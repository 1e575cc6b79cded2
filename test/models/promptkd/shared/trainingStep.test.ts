/** The plan of a step, on a step that anyone can follow: loss = factor * sum(x), so that every gradient is the factor. */
import { describe, expect, it } from 'vitest';
import { readLeaf, releaseAll, write } from '../../../../engine/gpu/memory.js';
import { input, scalar, variable } from '../../../../engine/graph/tensor.js';
import { multiply } from '../../../../engine/ops/multiply.js';
import { sum } from '../../../../engine/ops/reduce.js';
import { accumulate as addTo } from '../../../../engine/train/optim.js';
import { gradientsAndUpdate } from '../../../../models/promptkd/shared/gradientsAndUpdate.js';
import {
  type StepGraph,
  stepRequest,
  TrainingStep,
} from '../../../../models/promptkd/shared/trainingStep.js';
import { testGpu } from '../../../helpers/check.js';

interface Choices {
  readonly accumulate?: number;
  readonly half?: boolean;
}

function record({ accumulate, half = false }: Choices) {
  const x = variable(Float32Array.of(1, 2, 3, 4), [4], 'vision.0');
  const seen = variable(Float32Array.of(0), [1], 'projection.bn.mean');
  const [factor, count] = [input([1], 'factor'), input([1], 'count')];
  const rate = input([1], 'rate');
  const loss = multiply(sum(x), factor);
  const squared = multiply(loss, loss);
  const options = { momentum: 0, weightDecay: 0, ...(accumulate !== undefined && { accumulate }) };
  const statistics = { tensors: [seen], updates: [addTo(seen, count, scalar(1))] };
  const updates = gradientsAndUpdate(loss, [x], rate, options, half, statistics);
  const inspected = multiply(squared, squared);
  const images = input([1, 3, 1, 1], 'images');
  const graph: StepGraph = { images, rate, loss, parts: { squared }, inspected: [inspected], ...updates };
  return { graph, x, seen, factor, count, inspected };
}

async function compile(choices: Choices) {
  const gpu = await testGpu();
  const made = record(choices);
  const step = await TrainingStep.compile(gpu, made.graph);
  const batch = async (factor: number, rate = 0.5, count = factor) => {
    write(gpu, made.factor, Float32Array.of(factor));
    write(gpu, made.count, Float32Array.of(count));
    step.run(rate);
    return { ...(await step.readLosses()), x: [...(await readLeaf(gpu, made.x))] };
  };
  return { gpu, step, batch, ...made };
}

describe('a training step', () => {
  it('updates with every batch, and reads the loss before the update and its parts by name', async () => {
    const { gpu, step, batch, seen } = await compile({});
    expect(await batch(2)).toEqual({ losses: { loss: 20, squared: 400 }, fault: undefined, x: [0, 1, 2, 3] });
    expect(await batch(-4, 0.25)).toEqual({
      losses: { loss: -24, squared: 576 },
      fault: undefined,
      x: [1, 2, 3, 4],
    });
    expect((await readLeaf(gpu, seen))[0]).toBe(-2);
    step.destroy();
    releaseAll(gpu);
    expect(gpu.held).toBe(0);
  });

  it('updates with the mean gradient after every third batch, and the statistics with each', async () => {
    const { gpu, step, batch, seen, graph } = await compile({ accumulate: 3 });
    expect(graph.accumulate).toBe(3);
    const found: number[] = [];
    const counts: number[] = [];
    for (const factor of [1, 2, 3, 2, 2, 2, 9]) {
      found.push((await batch(factor)).x[0]!);
      counts.push((await readLeaf(gpu, seen))[0]!);
    }
    for (const [i, value] of [1, 1, 0, 0, 0, -1, -1].entries()) expect(found[i]).toBeCloseTo(value, 6);
    expect(counts).toEqual([1, 3, 6, 8, 10, 12, 21]);
    step.destroy();
    releaseAll(gpu);
    expect(gpu.held).toBe(0);
  });

  it('names a parameter or a statistic that is not finite, in the batch that made it so', async () => {
    const { step, batch } = await compile({});
    expect((await batch(1)).fault).toBeUndefined();
    expect((await batch(Number.NaN)).fault).toMatch(
      /the loss is NaN, and .*vision\.0 and the projection's bn\.mean/,
    );
    step.destroy();
    const late = await compile({ accumulate: 2 });
    await late.batch(1);
    expect((await late.batch(Number.POSITIVE_INFINITY)).fault).toMatch(/vision\.0/);
    late.step.destroy();
  });

  it('counts skipped updates of two batches under a loss scale', async () => {
    const accumulate = 2;
    const { gpu, step, batch, graph } = await compile({ accumulate, half: true });
    const [scale, inverse] = graph.optimiser.state.slice(1);
    const faults: (string | undefined)[] = [];
    for (let i = 0; i < 30 * accumulate; i++) {
      // The loss fits float32, and its gradient under this scale does not: no update changes anything.
      write(gpu, scale!, Float32Array.of(2 ** 20));
      write(gpu, inverse!, Float32Array.of(2 ** -20));
      faults.push((await batch(1e35, 0.5, 1)).fault);
    }
    const last = faults.pop();
    expect(last).toMatch(/none of the last 30 steps/);
    expect(faults.every((fault) => fault === undefined)).toBe(true);
    step.destroy();
  });
});

describe('the request of a step', () => {
  it('has the loss and its parts, and what is inspected beside the gradients if asked', () => {
    const { graph, inspected } = record({});
    const { loss, parts, gradients, updates } = graph;
    expect(stepRequest(graph)).toEqual({ outputs: [loss, parts.squared], updates, loss });
    expect(stepRequest(graph, true).outputs).toEqual([loss, parts.squared, inspected, ...gradients]);
    expect(graph.accumulate).toBe(1);
    expect(graph.finish).toBeUndefined();
  });

  it('keeps what is inspected for reading, and nothing else', async () => {
    const gpu = await testGpu();
    const { graph, inspected, factor } = record({});
    for (const inspect of [true, false, undefined]) {
      const step = await TrainingStep.compile(gpu, graph, inspect === undefined ? {} : { inspect });
      write(gpu, factor, Float32Array.of(0.5));
      step.run(0);
      if (inspect) expect([...(await step.plan.read(inspected))]).toEqual([5 ** 4]);
      else await expect(step.plan.read(inspected)).rejects.toThrow(/not an output/);
      step.destroy();
    }
  });
});
