/** The whole step of examples/pretrain: its loss by hand, its gradients by differences, its training on a device. */

import { describe, expect, it } from 'vitest';
import { write } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { nodeOf } from '../../engine/graph/op.js';
import { evaluate } from '../../engine/graph/reference.js';
import type { Tensor } from '../../engine/graph/tensor.js';
import { initialWeights, type StepGraph, stepGraph } from '../../examples/pretrain/model.js';
import { clipConfig } from '../../examples/pretrain/settings.js';
import { Random } from '../../models/random.js';
import { relativeError, TestRandom, testGpu } from '../helpers/check.js';

const VOCABULARY = 12;
const [batch, length] = [3, 5];

type Feeds = ReadonlyMap<Tensor, Float32Array | Int32Array>;

/** One block a tower, images of 2 x 2 patches: small enough for the float64 reference. */
function tinyStep(seed: number) {
  const size = { embed: 6, patch: 3, vision: [64, 1], text: [64, 1] } as const;
  const config = clipConfig(size, VOCABULARY, { resolution: 6, contextLength: 7 });
  const weights = initialWeights(config, new Random(seed));
  const random = new TestRandom(seed);
  // Biases of 0 and gains of 1 would hide mistakes in how they enter. Larger logits make the softmax uneven.
  for (const [name, { leaf }] of weights) {
    const values = leaf!.data as Float32Array;
    if (/bias$|ln_\w+\.weight$/.test(name)) values.set(values.map((v) => v + 0.3 * random.next()));
  }
  const graph = stepGraph(weights, config, { batch, length, weightDecay: 0.1, clipNorm: 1 });
  const excluded = new Float32Array(batch * batch);
  excluded[1] = -1e4;
  const feeds: Feeds = new Map<Tensor, Float32Array | Int32Array>([
    [graph.images, random.array(graph.images.size, 2)],
    [graph.tokens, Int32Array.of(10, 3, 4, 11, 0, 10, 5, 11, 0, 0, 10, 3, 3, 7, 11)],
    [graph.endRows, Int32Array.of(3, 7, 14)],
    [graph.excluded, excluded],
    [graph.rate, Float32Array.of(1e-3)],
  ]);
  return { graph, feeds, weights };
}

/** `run` on the device for some steps; the loss of each. */
async function trainOnDevice(graph: StepGraph, feeds: Feeds, steps: number) {
  const gpu = await testGpu();
  const request = { outputs: [graph.loss, ...graph.gradients], updates: graph.optimiser.updates };
  const plan = await Plan.compile(gpu, request, { poison: true });
  for (const [leaf, values] of feeds) write(gpu, leaf, values);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    plan.run();
    losses.push((await plan.read(graph.loss))[0]!);
  }
  return { plan, losses };
}

describe('the pre-training step', () => {
  it('has the loss of its formula', () => {
    const { graph, feeds } = tinyStep(1);
    // The product of unit features, before scale and exclusion: found by its shape, the only one of its kind.
    let node = nodeOf(graph.loss)!;
    while (node.op.name !== 'matmul' || node.outputs[0]!.shape[0] !== batch) node = nodeOf(node.inputs[0]!)!;
    const cosines = evaluate([node.outputs[0]!], feeds).get(node.outputs[0]!)!;
    const logit = (i: number, j: number) =>
      cosines[i * batch + j]! / 0.07 + feeds.get(graph.excluded)![i * batch + j]!;
    const indices = [0, 1, 2];
    const crossEntropy = (at: (i: number, j: number) => number) =>
      indices.reduce((sum, i) => {
        const total = indices.reduce((exps, j) => exps + Math.exp(at(i, j)), 0);
        return sum + (Math.log(total) - at(i, i)) / batch;
      }, 0);
    const expected = (crossEntropy(logit) + crossEntropy((i, j) => logit(j, i))) / 2;
    expect(evaluate([graph.loss], feeds).get(graph.loss)![0]).toBeCloseTo(expected, 6);
    expect(cosines.every((cosine) => Math.abs(cosine) <= 1)).toBe(true);
  });

  it('has the gradient of the whole loss for every kind of weight, by differences in float64', () => {
    const { graph, feeds } = tinyStep(2);
    const analytic = evaluate(graph.gradients, feeds);
    const random = new TestRandom(3);
    const step = 1e-4;
    expect(graph.parameters.length).toBe(2 * 12 + 14);
    graph.parameters.forEach((parameter, p) => {
      const data = Float64Array.from(parameter.leaf!.data!);
      const gradient = analytic.get(graph.gradients[p]!)!;
      const picked = Array.from({ length: Math.min(3, data.length) }, () =>
        Math.floor(((random.next() + 1) / 2) * data.length),
      );
      // A row of the token table that is used, or all differences might be 0.
      if (parameter.label.endsWith('embedding.weight')) picked.push(3 * 64 + 5);
      const expected = picked.map((i) => {
        const at = (delta: number) => {
          const shifted = data.slice();
          shifted[i]! += delta;
          const fed = new Map<Tensor, ArrayLike<number>>([...feeds, [parameter, shifted]]);
          return evaluate([graph.loss], fed).get(graph.loss)![0]!;
        };
        return (at(step) - at(-step)) / (2 * step);
      });
      const found = picked.map((i) => gradient[i]!);
      expect(relativeError(found, expected, 1e-3), `${parameter} at ${picked}`).toBeLessThan(1e-4);
      expect(
        gradient.some((value) => Math.abs(value) > 1e-7),
        `${parameter} matters`,
      ).toBe(true);
    });
  });

  it('gives the same loss and gradients on the device', async () => {
    const { graph, feeds } = tinyStep(4);
    const expected = evaluate([graph.loss, ...graph.gradients], feeds);
    const { plan } = await trainOnDevice(graph, feeds, 1);
    for (const tensor of [graph.loss, ...graph.gradients])
      expect(relativeError(await plan.read(tensor), expected.get(tensor)!, 1e-4), `${tensor}`).toBeLessThan(
        1e-4,
      );
    plan.destroy();
  });

  it('lowers the loss and clamps the logit scale', async () => {
    const { graph, feeds, weights } = tinyStep(5);
    const scale = weights.get('logit_scale')!;
    (scale.leaf!.data as Float32Array)[0] = Math.log(200);
    const { plan, losses } = await trainOnDevice(graph, feeds, 12);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    expect((await plan.read(scale))[0]).toBeLessThanOrEqual(Math.fround(Math.log(100)));
    plan.destroy();
  });
});
