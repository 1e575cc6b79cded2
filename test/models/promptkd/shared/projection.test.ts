import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../engine/graph/reference.js';
import { variable } from '../../../../engine/graph/tensor.js';
import {
  initialProjection,
  layersOf,
  projectEvaluation,
  projectionLeaves,
  projectionParameters,
  projectionShapes,
  projectionStatistics,
  projectionTensors,
  projectionVariables,
  projectTraining,
} from '../../../../models/promptkd/shared/projection.js';
import { Random } from '../../../../models/random.js';
import { checkForward, checkGradient, TestRandom } from '../../../helpers/check.js';

const [INPUTS, OUTPUTS, BATCH] = [5, 7, 6];

/** A head whose every number matters: biases, BatchNorm's affine part and statistics are random too. */
function randomHead(layers: number, random: TestRandom) {
  const shapes = Object.entries(projectionShapes(INPUTS, OUTPUTS, layers));
  const values = shapes.map(([name, shape]): [string, Float32Array] => {
    const drawn = random.array(shape.reduce((p, n) => p * n, 1));
    return [name, name.endsWith('.var') ? drawn.map((v) => 1.5 + v) : drawn];
  });
  return projectionVariables(Object.fromEntries(values), INPUTS, OUTPUTS);
}

/** The same in loops, one sample at a time. */
function byHand(head: ReturnType<typeof randomHead>, sample: Float32Array): number[] {
  const values = (name: string) => head[name]!.leaf!.data as Float32Array;
  let x = [...sample];
  const layers = layersOf(head);
  for (let layer = 1; layer <= layers; layer++) {
    const [weight, bias] = [values(`fc${layer}.weight`), values(`fc${layer}.bias`)];
    x = Array.from(bias, (b, row) => x.reduce((sum, v, i) => sum + v * weight[row * x.length + i]!, b));
    if (layer === layers) break;
    const norm = layer === 1 ? 'bn' : `bn${layer}`;
    x = x.map((v, i) => {
      const deviation = Math.sqrt(values(`${norm}.var`)[i]! + 1e-5);
      const normal = (v - values(`${norm}.mean`)[i]!) / deviation;
      return Math.max(0, normal * values(`${norm}.weight`)[i]! + values(`${norm}.bias`)[i]!);
    });
  }
  return x;
}

describe('the projection', () => {
  it('names its tensors as the checkpoint reader does', () => {
    const layer = (name: string) => [`${name}.weight`, `${name}.bias`];
    expect(projectionParameters(0)).toEqual([]);
    expect(projectionParameters(1)).toEqual(layer('fc1'));
    expect(projectionParameters(2)).toEqual(['fc1', 'bn', 'fc2'].flatMap(layer));
    expect(projectionParameters(3)).toEqual(['fc1', 'bn', 'fc2', 'bn2', 'fc3'].flatMap(layer));
    expect([0, 1, 2, 3].map((layers) => projectionStatistics(layers).length)).toEqual([0, 0, 2, 4]);
  });

  it('has the size of the paper with two layers, and starts within the bounds of PyTorch', () => {
    const count = (layers: number) => {
      const shapes = projectionShapes(512, 768, layers);
      return projectionParameters(layers).reduce(
        (sum, name) => sum + shapes[name]!.reduce((p, n) => p * n, 1),
        0,
      );
    };
    // Spec 3.1: (393,216 + 768) + 1,536 + (589,824 + 768); a third layer adds another 1,536 + 590,592.
    expect([1, 2, 3].map(count)).toEqual([393_984, 986_112, 1_578_240]);
    const initial = initialProjection(64, 16, Random.of(1), 3);
    const largest = (name: string) => Math.max(...initial[name]!.map(Math.abs));
    for (const [name, fanIn] of Object.entries({ fc1: 64, fc2: 16, fc3: 16 }))
      for (const leaf of ['weight', 'bias']) {
        expect(largest(`${name}.${leaf}`), name).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
        expect(largest(`${name}.${leaf}`), name).toBeGreaterThan(0.8 / Math.sqrt(fanIn));
        expect(Math.min(...initial[`${name}.${leaf}`]!), name).toBeLessThan(-0.5 / Math.sqrt(fanIn));
      }
    for (const name of ['bn.weight', 'bn.var', 'bn2.weight', 'bn2.var'])
      expect([...new Set(initial[name]!)]).toEqual([1]);
    for (const name of ['bn.bias', 'bn.mean', 'bn2.bias', 'bn2.mean'])
      expect([...new Set(initial[name]!)]).toEqual([0]);
  });

  it.each([0, 1, 2, 3])('of %i layers has leaves without values, and tells what is trained', (layers) => {
    const head = projectionLeaves(INPUTS, OUTPUTS, layers);
    expect(layersOf(head)).toBe(layers);
    for (const [name, tensor] of Object.entries(head)) {
      expect(`${tensor}`).toContain(`projection.${name}[`);
      expect(tensor.leaf).toMatchObject({ kind: 'variable' });
      expect(tensor.leaf!.data).toBeUndefined();
    }
    const { parameters, statistics } = projectionTensors(head);
    expect(parameters).toEqual(projectionParameters(layers).map((name) => head[name]));
    expect(statistics).toEqual(projectionStatistics(layers).map((name) => head[name]));
    expect(parameters.length + statistics.length).toBe(Object.keys(head).length);
  });

  it.each([0, 1, 2, 3])('of %i layers evaluates as loops say', async (layers) => {
    const random = new TestRandom(layers);
    const head = randomHead(layers, random);
    const features = random.variable([BATCH, INPUTS], 'features');
    const projected = projectEvaluation(head, features);
    const data = features.leaf!.data as Float32Array;
    const expected = Array.from({ length: BATCH }, (_, b) =>
      byHand(head, data.subarray(b * INPUTS, (b + 1) * INPUTS)),
    ).flat();
    const found = evaluate([projected]).get(projected)!;
    expect(found).toHaveLength(expected.length);
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 9);
    if (layers > 0) await checkForward([projected]);
  });

  it.each([1, 2, 3])('of %i layers trains with the right gradients and statistics', async (layers) => {
    const random = new TestRandom(10 + layers);
    const head = randomHead(layers, random);
    const features = variable(random.array(BATCH * INPUTS, 2), [BATCH, INPUTS], 'features');
    const { projected, updates } = projectTraining(head, features);
    expect(updates).toHaveLength(layers - 1);
    // The bias in front of a BatchNorm has gradient 0, which is nothing but rounding in float32.
    const checked = projectionParameters(layers).filter(
      (name) => !/^fc\d\.bias$/.test(name) || name === `fc${layers}.bias`,
    );
    await checkGradient(projected, [features, ...checked.map((name) => head[name]!)], {
      samples: 8,
      step: 1e-5,
    });
    await checkForward([projected], { updates });
  });
});
