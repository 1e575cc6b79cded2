import { afterEach, describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/capabilities.js';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { attachChecks, checksOf, KernelChecks, type VerdictStore } from '../../../engine/gpu/kernelChecks.js';
import { operationTrials } from '../../../engine/gpu/operationTrials.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { runTrials } from '../../../engine/gpu/runTrials.js';
import { choicesOf } from '../../../engine/gpu/schedule.js';
import type { Dispatch } from '../../../engine/graph/dispatch.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { type DType, input } from '../../../engine/graph/tensor.js';
import type { Candidate, Tunable } from '../../../engine/graph/tunable.js';
import { matmulCandidates } from '../../../engine/kernels/matmul/candidates.js';
import type { Epilogue, MatmulProblem } from '../../../engine/kernels/matmul/launch.js';
import { matmulTrial, smallMatmul } from '../../../engine/kernels/matmul/trial.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { shaderSources } from '../../../shaders/generated.js';
import { kernelWays, relativeError, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const GPU: Partial<Capabilities> = { software: false };
const own = (await testGpu()).capabilities;

/** Texts with a fault that tests plant, beside the project's own. */
const texts = shaderSources as Record<string, string>;
const planted = new Set<string>();
afterEach(() => {
  for (const name of planted) delete texts[name];
  planted.clear();
});

/** A candidate whose text differs from that of another. */
function withText(candidate: Candidate<MatmulProblem>, change: (text: string) => string, name: string) {
  return {
    name,
    dispatch: (work: MatmulProblem): Dispatch => {
      const dispatch = candidate.dispatch(work);
      const text = texts[dispatch.shader]!;
      const changed = change(text);
      expect(changed, `${name}: the text to change is in ${dispatch.shader}`).not.toBe(text);
      const shader = `${dispatch.shader}_${name.replaceAll(' ', '_')}`;
      texts[shader] = changed;
      planted.add(shader);
      return { ...dispatch, shader };
    },
  };
}

/** A candidate whose uniforms differ. */
const withUniforms = (
  candidate: Candidate<MatmulProblem>,
  change: (uniforms: Record<string, number>) => Record<string, number>,
  name: string,
) => ({
  name,
  dispatch: (work: MatmulProblem): Dispatch => {
    const dispatch = candidate.dispatch(work);
    const uniforms = dispatch.uniforms as Record<string, number>;
    return { ...dispatch, uniforms: { ...uniforms, ...change(uniforms) } };
  },
});

const problemOf = (
  m: number,
  n: number,
  k: number,
  dtype: DType = 'f32',
  epilogue: Epilogue = {},
): MatmulProblem => ({
  a: input([m, k], 'a', dtype),
  b: input([n, k], 'b', dtype),
  c: input([m, n], 'c', dtype),
  sizes: { batch: 1, m, n, k, transposeA: false, transposeB: true },
  epilogue,
});

const epilogues = (m: number, n: number, dtype: DType): Epilogue[] => {
  const like = (name: string) => input([m, n], name, dtype);
  const bias = input([n], 'bias');
  return [
    {},
    { bias },
    { bias, activation: 'quickGelu', preactivation: like('pre') },
    { bias, residual: input([m, n], 'residual') },
    { activationGradient: { preactivation: like('slope'), activation: 'quickGelu' } },
  ];
};

const faultOf = (gpu: Gpu, problem: MatmulProblem, candidate: Candidate<MatmulProblem>) => {
  const work = smallMatmul(problem);
  return runTrials(gpu, [matmulTrial(work, candidate.dispatch(work))]).then(([fault]) => fault);
};

const faults = [
  [
    'a missing row',
    (c: Candidate<MatmulProblem>) => withUniforms(c, ({ M }) => ({ M: M! - 1 }), 'missing row'),
  ],
  [
    'a missing column',
    (c: Candidate<MatmulProblem>) => withUniforms(c, ({ N }) => ({ N: N! - 4 }), 'missing column'),
  ],
  [
    'a last term left out',
    (c: Candidate<MatmulProblem>) => withUniforms(c, ({ K }) => ({ K: K! - 4 }), 'short sum'),
  ],
] as const;

describe('the check of a kernel', () => {
  for (const [way, capabilities] of kernelWays)
    it(`refuses matmuls with a planted fault and no right one: ${way}`, async () => {
      const gpu = withCapabilities(await testGpu(), capabilities);
      const problem = problemOf(1576, 768, 768);
      // A CPU adapter compiles every variant anew, for seconds: one kernel is enough there.
      const count = gpu.capabilities.software ? 1 : 2;
      for (const candidate of matmulCandidates(problem, gpu.capabilities).slice(0, count)) {
        expect(await faultOf(gpu, problem, candidate), candidate.name).toBeUndefined();
        for (const [fault, plant] of faults)
          expect(await faultOf(gpu, problem, plant(candidate)), `${candidate.name}, ${fault}`).toBeDefined();
      }
    });

  it('refuses a stale tile, a swapped operand and the step before in place of the next', async () => {
    const gpu = withCapabilities(await testGpu(), { ...GPU, level: 'portable' });
    const problem = problemOf(1576, 768, 768);
    const sharedMemory = matmulCandidates(problem, gpu.capabilities).find(({ name }) =>
      name.startsWith('shared-memory-tiled'),
    )!;
    const stale = (text: string) =>
      text.replace('store_shared(index + $s * INVOCATIONS, next$s);', 'if (step == 0u) { $& }');
    const swapped = (text: string) =>
      text.replace('let b$j = shared_b[shared_index(k,', 'let b$j = shared_a[shared_index(k,');
    const before = (text: string) => text.replace('(step + 1u) * TILE_K);', 'step * TILE_K);');
    for (const [change, name] of [
      [stale, 'stale tile'],
      [swapped, 'swapped operand'],
      [before, 'step before'],
    ] as const)
      expect(await faultOf(gpu, problem, withText(sharedMemory, change, name)), name).toMatch(
        /results differ/,
      );
  });

  // lavapipe of Mesa 26 alone has subgroup matrices here (scripts/mesa-matrix.sh).
  if (own.level === 'matrix') {
    it('refuses faults in kernels on tensor cores', async () => {
      const gpu = withCapabilities(await testGpu(), GPU);
      const problem = problemOf(1576, 768, 768, 'f16');
      const tensorCore = matmulCandidates(problem, gpu.capabilities)[0]!;
      expect(tensorCore.name).toMatch(/^tensor-core/);
      expect(await faultOf(gpu, problem, tensorCore)).toBeUndefined();
      for (const [fault, plant] of faults.slice(0, 2))
        expect(await faultOf(gpu, problem, plant(tensorCore)), fault).toBeDefined();
      const swapped = (text: string) =>
        text.replace('MultiplyAccumulate(left$i, right$j', 'MultiplyAccumulate(left0, right$j');
      expect(await faultOf(gpu, problem, withText(tensorCore, swapped, 'wrong rows'))).toMatch(
        /results differ/,
      );
    });

    for (const k of [64, 256, 1024, 4096])
      it(`accepts kernels on tensor cores with every epilogue in float16 at a depth of ${k}`, async () => {
        const gpu = withCapabilities(await testGpu(), GPU);
        for (const epilogue of epilogues(40, 24, 'f16')) {
          const problem = problemOf(40, 24, k, 'f16', epilogue);
          for (const candidate of matmulCandidates(problem, gpu.capabilities).slice(0, 1)) {
            const [fault] = await runTrials(gpu, [matmulTrial(problem, candidate.dispatch(problem))]);
            expect(fault, `${candidate.name} ${Object.keys(epilogue)}`).toBeUndefined();
          }
        }
      });
  }

  it('accepts what is right with every epilogue and either type, at depths up to 4096', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    for (const dtype of ['f32', 'f16'] as const)
      for (const k of [64, 4096])
        for (const epilogue of epilogues(20, 24, dtype)) {
          const problem = problemOf(20, 24, k, dtype, epilogue);
          const plain = matmulCandidates(problem, gpu.capabilities).find(
            ({ name }) => name === 'shared-memory-tiled 32',
          );
          const [fault] = await runTrials(gpu, [
            matmulTrial(problem, (plain ?? (await firstOf(problem))).dispatch(problem)),
          ]);
          expect(fault, `${dtype} ${k} ${Object.keys(epilogue)}`).toBeUndefined();
        }
  });

  for (const [way, capabilities] of kernelWays.filter(([, { software }]) => !software))
    it(`accepts every operation's kernels: ${way}`, async () => {
      const gpu = withCapabilities(await testGpu(), capabilities);
      const trials = [...new Set(operationTrials(gpu.capabilities).values())];
      const found = await runTrials(gpu, trials);
      const wrong = found.flatMap((fault, i) =>
        fault ? [`${trials[i]!.dispatches[0]!.shader}: ${fault}`] : [],
      );
      expect(wrong).toEqual([]);
    });
});

async function firstOf(problem: MatmulProblem): Promise<Candidate<MatmulProblem>> {
  return matmulCandidates(problem, (await testGpu()).capabilities)[0]!;
}

describe('a plan on a device with checks', () => {
  const store = () => {
    const kept: Record<string, string> = {};
    const verdicts: VerdictStore = {
      get: (hash) => kept[hash],
      set: (more) => void Object.assign(kept, more),
    };
    return { kept, verdicts };
  };
  const graph = () => {
    const random = new TestRandom(3);
    return matmul(random.variable([70, 40]), random.variable([40, 36]));
  };

  it('tries each kernel once, and none that a store knows', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    const { kept, verdicts } = store();
    const c = graph();
    attachChecks(gpu, new KernelChecks(gpu, verdicts));
    const plan = await Plan.compile(gpu, { outputs: [c] });
    plan.run();
    expect(relativeError(await plan.read(c), evaluate([c]).get(c)!)).toBeLessThan(1e-5);
    plan.destroy();
    expect(checksOf(gpu)!.tried).toBe(1);
    expect(Object.values(kept)).toEqual(['']);
    attachChecks(gpu, new KernelChecks(gpu, verdicts));
    (await Plan.compile(gpu, { outputs: [graph()] })).destroy();
    expect(checksOf(gpu)!.tried).toBe(0);
  });

  it('takes the next kernel where one is known to be wrong, and refuses the adapter where all are', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    const [tunable] = choicesOf({ outputs: [graph()] }, gpu.capabilities);
    let wrong = 1;
    const verdicts: VerdictStore = {
      get: () => (wrong-- > 0 ? 'its results differ' : ''),
      set: () => {},
    };
    attachChecks(gpu, new KernelChecks(gpu, verdicts));
    const c = graph();
    const plan = await Plan.compile(gpu, { outputs: [c] });
    plan.run();
    expect(relativeError(await plan.read(c), evaluate([c]).get(c)!)).toBeLessThan(1e-5);
    plan.destroy();
    expect(checksOf(gpu)!.choose(tunable!)).toBe(tunable!.candidates[1]!.name);

    attachChecks(gpu, new KernelChecks(gpu, { get: () => 'its results differ', set: () => {} }));
    await expect(Plan.compile(gpu, { outputs: [graph()] })).rejects.toThrow(/no kernel computes matmul NN/);
  });

  it('takes the next kernel where one does not compile, and the device goes on', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    const random = new TestRandom(5);
    const problem: MatmulProblem = {
      a: random.variable([40, 64], 'a'),
      b: random.variable([36, 64], 'b'),
      c: input([40, 36], 'c'),
      sizes: { batch: 1, m: 40, n: 36, k: 64, transposeA: false, transposeB: true },
      epilogue: {},
    };
    const right = matmulCandidates(problem, gpu.capabilities).find(
      ({ name }) => name === 'shared-memory-tiled 32',
    )!;
    const broken = withText(right, (text) => `${text}\nfn broken() -> u32 { return nothing; }`, 'broken');
    const { kept, verdicts } = store();
    const checks = new KernelChecks(gpu, verdicts);
    const trial = (candidate: Candidate) => {
      const work = smallMatmul(problem);
      return matmulTrial(work, candidate.dispatch(work));
    };
    const tunable: Tunable = {
      key: 'matmul',
      work: problem,
      candidates: [broken, right] as Candidate[],
      trial,
    };
    expect(await checks.isRight(tunable, tunable.candidates[0]!)).toBe(false);
    expect(Object.values(kept)).toEqual([expect.stringContaining('does not compile')]);
    expect(await checks.isRight(tunable, tunable.candidates[1]!)).toBe(true);
    expect(checks.choose(tunable)).toBe('shared-memory-tiled 32');
    gpu.check();
    // Another process learns it from the store, before it compiles anything.
    expect(new KernelChecks(gpu, verdicts).choose(tunable)).toBe('shared-memory-tiled 32');
  });

  it('keeps no verdict of a device that is lost', async () => {
    const gpu = await openGpu();
    const { kept, verdicts } = store();
    attachChecks(gpu, new KernelChecks(gpu, verdicts));
    gpu.device.destroy();
    await expect(Plan.compile(gpu, { outputs: [graph()] })).rejects.toThrow(/lost|destroyed/);
    expect(kept).toEqual({});
  });
});
