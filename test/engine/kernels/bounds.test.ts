/** The bounds check is itself tested: it must see an access outside of a tensor, wherever in an expression it is. */
import { describe, expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { call, type Op } from '../../../engine/graph/op.js';
import { constant, type Tensor } from '../../../engine/graph/tensor.js';
import { withChecks } from '../../../engine/kernels/bounds.js';
import { exp } from '../../../engine/ops/exp.js';
import { testGpu, withCapabilities } from '../../helpers/check.js';

/** e^x of `extra` elements too many. */
const careless: Op<{ readonly extra: number }> = {
  name: 'careless',
  outputs: ([x]) => [{ shape: x!.shape }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { extra } }) => [
    { shader: 'exp', constants: {}, reads: { x: x! }, writes: { y: y! }, elements: y!.size + extra },
  ],
  reference: (_, [x]) => [x!.map(Math.exp)],
};

async function outside(software: boolean, ...outputs: Tensor[]): Promise<string[]> {
  const gpu = withCapabilities(await testGpu(), { software });
  const plan = await Plan.compile(gpu, { outputs }, { checkBounds: true });
  plan.run();
  const names = await plan.outside();
  plan.destroy();
  return names;
}

describe('a plan that checks bounds', () => {
  const x = constant(new Float32Array(37).fill(1), [37], 'x');

  for (const [way, software] of [
    ['sizes as constants', true],
    ['one pipeline for all sizes', false],
  ] as const)
    it(`names the launches that leave a tensor, by one element too: ${way}`, async () => {
      const longer = constant(new Float32Array(38).fill(1), [38], 'longer');
      expect(await outside(software, exp(longer), call(careless, [x], { extra: 1 }), exp(x))).toEqual([
        'exp',
      ]);
      expect(await outside(software, exp(longer), call(careless, [x], { extra: 0 }))).toEqual([]);
    });

  it('compares indices of bindings and of declared arrays, within one another, and nothing else', () => {
    const code = [
      'var<workgroup> tile: array<vec2f, 2 * SIZE>;',
      'fn f(v: vec4f) { y[at[i] + 1u][3] = tile[i] + v[i] + other.x[i] + maxy[i]; }',
    ].join('\n');
    const lines = withChecks(code, ['x', 'y', 'at'], 2).split('\n');
    expect(lines[1]).toBe(
      'fn f(v: vec4f) { y[checked_index(u32(at[checked_index(u32(i), checks.lengths[2])] + 1u), checks.lengths[1])][3] = ' +
        'tile[checked_index(u32(i), u32(2 * SIZE))] + v[i] + other.x[i] + maxy[i]; }',
    );
    expect(lines[3]).toContain('@binding(2) var<storage, read_write> checks: Checks;');
  });
});
