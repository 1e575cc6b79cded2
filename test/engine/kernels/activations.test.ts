import { describe, expect, it } from 'vitest';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { constant, type DType, input } from '../../../engine/graph/tensor.js';
import type { Choose } from '../../../engine/graph/tunable.js';
import {
  ACTIVATIONS,
  activationDerivative,
  activationValue,
  STEEPEST,
} from '../../../engine/kernels/activations.js';
import { matmulCandidates } from '../../../engine/kernels/matmul/candidates.js';
import { activation } from '../../../engine/ops/activation.js';
import { cast } from '../../../engine/ops/cast.js';
import { linear } from '../../../engine/ops/linear.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import { shaderSources } from '../../../shaders/generated.js';
import { checkForward, kernelWays, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const gpu: Gpu = await testGpu();
// With subgroups a GPU has no other product kernels.
const ways = kernelWays.filter(
  ([, { software, level }]) => level === 'portable' || (software && gpu.capabilities.subgroups),
);

/**
 * The families of kernels that an adapter is offered for products of `m` rows, by the first word of their names. Of a CPU adapter
 * the preferred one: the others are those of GPUs.
 */
function familiesOf(m: number, capabilities: Partial<Gpu['capabilities']>, dtype: DType): string[] {
  const [n, k] = [36, 64];
  const tensors = { a: input([m, k], 'a', dtype), b: input([n, k], 'b', dtype), c: input([m, n]) };
  const sizes = { batch: 1, m, n, k, transposeA: false, transposeB: true };
  const all = withCapabilities(gpu, capabilities).capabilities;
  const names = matmulCandidates({ ...tensors, sizes, epilogue: {} }, all).map(({ name }) => name);
  const families = [...new Set(names.map((name) => name.split(' ')[0]!))];
  return all.software ? families.slice(0, 1) : families;
}

describe.each(ACTIVATIONS)('%s', (kind) => {
  it('has a derivative that differences agree with, and none is steeper than the bound', () => {
    for (let x = -8.005; x < 8; x += 0.01) {
      const differences = (activationValue(x + 1e-5, kind) - activationValue(x - 1e-5, kind)) / 2e-5;
      expect(activationDerivative(x, kind)).toBeCloseTo(differences, 6);
      expect(Math.abs(activationDerivative(x, kind))).toBeLessThanOrEqual(STEEPEST);
    }
  });

  for (const [way, capabilities] of ways)
    it(`is what the reference says in every family of matrix products: ${way}`, async () => {
      for (const [m, dtype, only] of [
        [19, 'f32', /./],
        [5, 'f32', /^skinny/],
        [24, 'f16', /^tensor-core/],
      ] as const)
        for (const family of familiesOf(m, capabilities, dtype).filter((name) => only.test(name))) {
          const random = new TestRandom(m);
          const x = random.variable([m, 64], 'x');
          const [up, down] = [random.variable([36, 64], 'up', 0.3), random.variable([64, 36], 'down', 0.3)];
          const stored = (tensor: typeof x) => (dtype === 'f16' ? cast(tensor, 'f16') : tensor);
          const bias = random.variable([36], 'bias');
          const hidden = linear(stored(x), stored(up), bias, { activation: kind, dtype });
          const y = linear(hidden, stored(down));
          const choose: Choose = ({ candidates }) =>
            candidates.find(({ name }) => name.startsWith(family))?.name;
          const tolerance = dtype === 'f16' ? 4e-3 : 1e-5;
          await checkForward([y, ...grad(sum(y), [x])], { capabilities, choose, tolerance });
        }
    });

  it('is what the reference says in a kernel of its own', async () => {
    const x = new TestRandom(3).variable([5, 12], 'x', 3);
    const y = activation(x, kind);
    await checkForward([y, ...grad(sum(y), [x])]);
  });
});

it('WGSL has one pair of functions for each, and a pair for none', () => {
  const functions = [...shaderSources.activation_functions!.matchAll(/^fn (\w+)_derivative\(/gm)];
  for (const [, name] of functions)
    expect(shaderSources.activation_functions).toContain(`fn ${name}(x: f32)`);
  expect(functions).toHaveLength(ACTIVATIONS.length + 1);
});

it('an activation without a WGSL function does not compile, where a default would hide it', async () => {
  const none = await openGpu({ backend: 'null' });
  const x = constant(undefined, [8]);
  const { kernelSource } = await import('../../../engine/kernels/kernelSource.js');
  const source = (name: string) =>
    kernelSource(
      {
        shader: 'activation',
        entry: 'forward',
        constants: { VECTOR: false, GRADIENT: false, ACTIVATION: { name } },
        reads: { x },
        writes: { y: input([8]) },
        elements: 8,
      },
      none.capabilities,
    ).code;
  const compile = (name: string) =>
    none.scoped(name, () => none.device.createShaderModule({ code: source(name) }));
  await compile('gelu');
  await expect(compile('forgotten')).rejects.toThrow(/forgotten/);
  none.destroy();
});
