import { expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/capabilities.js';
import { openGpu } from '../../../engine/gpu/gpu.js';
import { operationTrials, trialOf } from '../../../engine/gpu/operationTrials.js';
import { Schedule } from '../../../engine/gpu/schedule.js';
import { type Tensor, variable } from '../../../engine/graph/tensor.js';
import { largestMagnitude } from '../../../engine/train/magnitude.js';
import { TestRandom } from '../../helpers/check.js';

it('every operation has a trial that compares its results, also one that changes an input and has outputs of its own', async () => {
  const gpu = await openGpu({ backend: 'null' });
  const random = new TestRandom(1);
  const inputOf = ({ dtype, size }: Tensor) =>
    Float64Array.from(random.array(size), (value) => (dtype === 'i32' ? 1 : Math.abs(value)));
  for (const level of ['portable', 'subgroups'] as const) {
    const capabilities: Capabilities = { ...gpu.capabilities, level, subgroupMatrix: [] };
    for (const [id, trial] of operationTrials(capabilities))
      expect(trial.expected(inputOf).size, id).toBeGreaterThan(0);
    const watch = largestMagnitude([variable(undefined, [3, 5], 'watched')]);
    const [step] = new Schedule({ updates: [watch.update] }, capabilities).steps;
    const expected = trialOf(step!.node, step!.dispatches).expected(inputOf);
    expect([...expected.keys()]).toEqual([watch.magnitudes]);
  }
  gpu.destroy();
});
