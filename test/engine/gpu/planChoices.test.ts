/** Who chooses between the kernels of a plan: the caller, else the tuner, else the checks; each is told apart by a stand-in. */
import { describe, expect, it, vi } from 'vitest';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { attachChecks, type KernelChecks } from '../../../engine/gpu/kernelChecks.js';
import type { Launch } from '../../../engine/gpu/launch.js';
import { Plan, prefetchPipelines } from '../../../engine/gpu/plan.js';
import { attachTuner, type Tuner } from '../../../engine/gpu/tuner.js';
import { call, type Op } from '../../../engine/graph/op.js';
import { input, type Tensor } from '../../../engine/graph/tensor.js';
import { type Candidate, type Choose, chosenDispatch } from '../../../engine/graph/tunable.js';
import { testGpu, withCapabilities } from '../../helpers/check.js';
import { countCreations } from '../../helpers/creations.js';

/** Kernels that compile at once on any adapter. They do different work, which nobody compares here. */
const candidates: readonly Candidate<[x: Tensor, y: Tensor]>[] = [
  ...['add', 'multiply'].map((entry) => ({
    name: `elementwise.${entry}`,
    dispatch: ([x, y]: [Tensor, Tensor]) => ({
      ...{ shader: 'elementwise', entry, elements: x.size },
      constants: { B_SCALAR: false, VECTOR: false },
      uniforms: { B_SIZE: x.size },
      reads: { a: x, b: x },
      writes: { y },
    }),
  })),
  {
    name: 'accumulate',
    dispatch: ([x, y]) => ({
      ...{ shader: 'accumulate', elements: x.size },
      constants: {},
      reads: { x, weight: x },
      writes: { total: y },
    }),
  },
];
const [first, second, third] = candidates.map(({ name }) => name) as [string, string, string];

const chosenOp: Op<null, [x: Tensor], [y: Tensor]> = {
  name: 'chosen',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x], outputs: [y] }, { choose }) => {
    const trial = () => {
      throw new Error('nothing is tried here');
    };
    return [chosenDispatch({ key: 'a choice', work: [x, y], candidates, trial }, choose)];
  },
  reference: (_, [x]) => [x],
};
const request = { outputs: [call(chosenOp, [input([8], 'x')], null)] };

interface Chooser {
  readonly tuner?: string;
  readonly checks?: string;
  /** What the checks say of one schedule after another. */
  readonly verdicts?: readonly boolean[];
}

/** A device with stand-ins that choose the candidates given. */
function withChoosers(of: Gpu, { tuner, checks, verdicts = [] }: Chooser) {
  const gpu = withCapabilities(of, {});
  const prepare = vi.fn(async () => true);
  const check = vi.fn(async () => true);
  for (const verdict of verdicts) check.mockResolvedValueOnce(verdict);
  const choice = (name?: string): Choose => vi.fn(() => name);
  if (tuner !== undefined)
    attachTuner(gpu, { prepare, choose: choice(tuner || undefined) } as unknown as Tuner);
  if (checks !== undefined) attachChecks(gpu, { check, choose: choice(checks) } as unknown as KernelChecks);
  return { gpu, prepare, check };
}

/** Which candidate the only launch of a plan runs. */
async function taken(gpu: Gpu, choose?: Choose): Promise<string> {
  const plan = await Plan.compile(gpu, request, choose ? { choose } : {});
  expect(plan.launches).toHaveLength(1);
  const [{ name }] = plan.launches as [Launch];
  plan.destroy();
  return name;
}

describe('the kernel of a plan', () => {
  it("is the rule's without anyone who chooses", async () => {
    expect(await taken(withChoosers(await testGpu(), {}).gpu)).toBe(first);
  });

  it('is what the caller chooses; neither tuner nor checks are asked', async () => {
    const { gpu, prepare, check } = withChoosers(await testGpu(), { tuner: second, checks: second });
    expect(await taken(gpu, () => third)).toBe(third);
    expect(prepare).not.toHaveBeenCalled();
    expect(check).not.toHaveBeenCalled();
  });

  it('is what the tuner chooses, which is prepared for the choices of the plan', async () => {
    const { gpu, prepare, check } = withChoosers(await testGpu(), { tuner: second, checks: third });
    expect(await taken(gpu)).toBe(second);
    expect(prepare.mock.calls).toEqual([[[expect.objectContaining({ key: 'a choice' })]]]);
    expect(check).toHaveBeenCalledTimes(1);
  });

  it('is what the checks choose where there is no tuner, or it has no choice', async () => {
    const device = await testGpu();
    expect(await taken(withChoosers(device, { checks: third }).gpu)).toBe(third);
    expect(await taken(withChoosers(device, { tuner: '', checks: third }).gpu)).toBe(third);
    expect(await taken(withChoosers(device, { tuner: second }).gpu)).toBe(second);
  });

  it('is chosen again until the checks find nothing wrong', async () => {
    const { gpu, check } = withChoosers(await testGpu(), { checks: second, verdicts: [false, false] });
    expect(await taken(gpu)).toBe(second);
    expect(check).toHaveBeenCalledTimes(3);
  });

  it('is compiled beforehand as it will be chosen', async () => {
    const device = await openGpu();
    const { gpu } = withChoosers(device, { tuner: third });
    prefetchPipelines(gpu, request);
    const count = countCreations(gpu);
    (await Plan.compile(gpu, request)).destroy();
    expect(count().pipelines).toBe(0);
    device.destroy();
  });
});
