import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../engine/gpu.js';
import { workgroupsOf } from '../../engine/kernel.js';
import { matmul } from '../../engine/ops/matmul.js';
import { Plan } from '../../engine/plan.js';
import { evaluate } from '../../engine/reference.js';
import { choicesOf } from '../../engine/schedule.js';
import { Tuner } from '../../engine/tuner.js';
import type { Candidate, Tunable } from '../../engine/tuning.js';
import { relativeError, TestRandom, testGpu } from '../helpers/check.js';

/** A store that counts. */
function memoryStore() {
  const names = new Map<string, string>();
  return {
    names,
    get: (key: string) => names.get(key),
    set: (key: string, name: string) => names.set(key, name),
  };
}

/** What a plan of one product asks a tuner. */
async function askedOf(gpu: Gpu): Promise<Tunable> {
  const random = new TestRandom(1);
  const c = matmul(random.variable([9, 12]), random.variable([12, 8]));
  return choicesOf({ outputs: [c] }, gpu.capabilities)[0]!;
}

const withConstants = (candidate: Candidate, changed: Record<string, number | boolean>, name: string) => ({
  name,
  dispatch: () => {
    const dispatch = candidate.dispatch();
    return { ...dispatch, constants: { ...dispatch.constants, ...changed } };
  },
});

describe('the tuner', () => {
  it('never picks a candidate whose results differ, that writes too little or that does not compile', async () => {
    const gpu = await testGpu();
    const asked = await askedOf(gpu);
    const right = asked.candidates.at(-1)!;
    const candidates = [
      withConstants(right, { K: 11 }, 'stops before the end'),
      { name: 'writes nothing', dispatch: () => ({ ...right.dispatch(), workgroups: [0, 0, 0] as const }) },
      { name: 'no such file', dispatch: () => ({ ...right.dispatch(), entry: 'nowhere' }) },
      right,
    ];
    const store = memoryStore();
    const notes: string[] = [];
    const tuner = new Tuner(store, { repeats: 1, leastMs: 0, onNote: (note) => notes.push(note) });
    await tuner.prepare(gpu, [{ ...asked, candidates }]);
    expect(tuner.choose({ ...asked, candidates })).toBe(right.name);
    expect(store.names.size).toBe(1);
    expect(notes.filter((note) => note.includes('is not used')).map((note) => note.split(': ')[1])).toEqual([
      'stops before the end is not used',
      'writes nothing is not used',
      'no such file is not used',
    ]);
  });

  it('refuses an adapter on which nothing agrees, and keeps nothing', async () => {
    const gpu = await testGpu();
    const asked = await askedOf(gpu);
    const right = asked.candidates.at(-1)!;
    const candidates = [
      withConstants(right, { K: 11 }, 'wrong'),
      withConstants(right, { K: 10 }, 'wrong too'),
    ];
    const store = memoryStore();
    const tuner = new Tuner(store, { repeats: 1, leastMs: 0 });
    await expect(tuner.prepare(gpu, [{ ...asked, candidates }])).rejects.toThrow(
      /no kernel computes product NN .* right on .*\(wrong too: its results differ by/,
    );
    expect(store.names.size).toBe(0);
  });

  it('leaves a choice open where nothing could be tried', async () => {
    const gpu = await testGpu();
    const asked = await askedOf(gpu);
    const broken = (name: string) => ({
      name,
      dispatch: () => ({ ...asked.candidates[0]!.dispatch(), entry: 'nowhere' }),
    });
    const tunable = { ...asked, candidates: [broken('one'), broken('two')] };
    const store = memoryStore();
    const tuner = new Tuner(store, { repeats: 1, leastMs: 0 });
    await tuner.prepare(gpu, [tunable]);
    expect(store.names.size).toBe(0);
    expect(tuner.choose(tunable)).toBeUndefined();
  });

  it('judges a kernel again whose constants have changed under the same name', async () => {
    const gpu = await testGpu();
    const asked = await askedOf(gpu);
    const store = memoryStore();
    const tuner = new Tuner(store, { repeats: 1, leastMs: 0 });
    await tuner.prepare(gpu, [asked]);
    const chosen = tuner.choose(asked)!;
    const candidates = asked.candidates.map((candidate) =>
      candidate.name === chosen ? withConstants(candidate, { K: 11 }, chosen) : candidate,
    );
    expect(tuner.choose({ ...asked, candidates })).toBeUndefined();
    await tuner.prepare(gpu, [{ ...asked, candidates }]);
    expect(tuner.choose({ ...asked, candidates })).not.toBe(chosen);
  });

  it('picks the faster of two that agree, and asks no more once the store knows', async () => {
    const gpu = await testGpu();
    const asked = await askedOf(gpu);
    const right = asked.candidates.at(-1)!;
    // The same tile, computed again and again by more and more workgroups.
    const slow = {
      name: 'slow',
      dispatch: () => {
        const dispatch = right.dispatch();
        const workgroups = [workgroupsOf(dispatch, gpu.capabilities)[0], 20000, 1] as const;
        return { ...dispatch, workgroups, constants: { ...dispatch.constants, GRID_X: 0 } };
      },
    };
    const tunable = { ...asked, candidates: [slow, right] };
    const store = memoryStore();
    let judged = 0;
    const tuner = new Tuner(store, { repeats: 3, leastMs: 1, onNote: () => judged++ });
    await tuner.prepare(gpu, [tunable]);
    expect(tuner.choose(tunable)).toBe(right.name);
    expect(judged).toBe(1);
    await tuner.prepare(gpu, [tunable]);
    expect(judged).toBe(1);
    // A name that an older version stored is not followed.
    store.set(tunable.key, 'gone');
    expect(tuner.choose(tunable)).toBeUndefined();
  });

  it('prepares the choices of a plan before it is scheduled', async () => {
    const gpu = await testGpu();
    const random = new TestRandom(2);
    const [a, b] = [random.variable([33, 20]), random.variable([20, 36])];
    const c = matmul(a, b);
    const store = memoryStore();
    const tuned = Object.create(gpu, {
      tuning: { value: new Tuner(store, { repeats: 1, leastMs: 0 }) },
    }) as Gpu;
    const seen: string[] = [];
    const plan = await Plan.compile(
      tuned,
      { outputs: [c] },
      { poison: true, onTuning: (done, total) => seen.push(`${done}/${total}`) },
    );
    plan.run();
    expect(relativeError(await plan.read(c), evaluate([c]).get(c)!)).toBeLessThan(1e-5);
    plan.destroy();
    expect([...store.names.keys()]).toEqual(['product NN 1x33x36x20 f32 f32 f32']);
    expect(seen).toEqual(['0/1', '1/1']);
  });
});
