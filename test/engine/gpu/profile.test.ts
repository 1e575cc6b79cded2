import { expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { profile } from '../../../engine/gpu/profile.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { sum } from '../../../engine/ops/reduce.js';
import { TestRandom, testGpu } from '../../helpers/check.js';

it('names every kernel of a plan once, with its launches, most time first', async () => {
  const gpu = await testGpu();
  const random = new TestRandom(1);
  const x = random.variable([64, 64], 'x');
  const plan = await Plan.compile(gpu, { outputs: [sum(matmul(matmul(x, x), x))] });
  const times = await profile(gpu, plan, 2);
  // Which of the products' kernels it is depends on the adapter.
  const family = (name: string) => name.replace(/^matmul\w*$/, 'matmul');
  expect(new Map(times.map(({ name, launches }) => [family(name), launches]))).toEqual(
    new Map([
      ['matmul', 2],
      ['reduce.whole', 1],
    ]),
  );
  const milliseconds = times.map((entry) => entry.milliseconds);
  expect(milliseconds.every((ms) => ms > 0)).toBe(true);
  expect(milliseconds).toEqual([...milliseconds].sort((a, b) => b - a));
  plan.destroy();
});
