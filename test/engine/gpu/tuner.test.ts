import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { choicesOf } from '../../../engine/gpu/schedule.js';
import { attachTuner, type TunedChoice, Tuner } from '../../../engine/gpu/tuner.js';
import { evaluate } from '../../../engine/graph/reference.js';
import type { Candidate, Tunable } from '../../../engine/graph/tunable.js';
import { workgroupsOf } from '../../../engine/kernels/kernelSource.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { relativeError, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

function memoryStore() {
  const found = new Map<string, TunedChoice>();
  return {
    found,
    get: (key: string) => found.get(key),
    set: (key: string, choice: TunedChoice) => void found.set(key, choice),
  };
}

/** A small product as it is asked for on a GPU, whose kernels do not depend on sizes. */
async function askedOf(): Promise<{ gpu: Gpu; asked: Tunable }> {
  const gpu = withCapabilities(await testGpu(), { software: false, level: 'portable' });
  const random = new TestRandom(1);
  const c = matmul(random.variable([9, 12]), random.variable([12, 8]));
  const [asked] = choicesOf({ outputs: [c] }, gpu.capabilities);
  return { gpu, asked: asked! };
}

const changed = (candidate: Candidate, uniforms: Record<string, number>, name: string): Candidate => ({
  name,
  dispatch: (work) => {
    const dispatch = candidate.dispatch(work);
    return { ...dispatch, uniforms: { ...dispatch.uniforms, ...uniforms } };
  },
});
const quick = { repeats: 1, leastMs: 0 };

describe('the tuner', () => {
  it('times only what gives right results', async () => {
    const { gpu, asked } = await askedOf();
    const right = asked.candidates.at(-1)!;
    const wrong: Candidate = {
      ...changed(right, { K: 8 }, 'stops before the end'),
      dispatch: (work) => ({ ...changed(right, { K: 8 }, '').dispatch(work), entry: 'nowhere' }),
    };
    const store = memoryStore();
    const tunable = { ...asked, candidates: [wrong, right] };
    await new Tuner(gpu, store, quick).prepare([tunable]);
    expect(store.found.get(asked.key)!.name).toBe(right.name);
    expect(Object.keys(store.found.get(asked.key)!.milliseconds)).toEqual([right.name]);
  });

  it('picks the faster of two that are right, asks no more once the store knows, and follows no name that is gone', async () => {
    const { gpu, asked } = await askedOf();
    const right = asked.candidates.at(-1)!;
    // The same tile, computed again and again by more and more workgroups.
    const slow: Candidate = {
      name: 'slow',
      dispatch: (work) => {
        const dispatch = changed(right, { GRID_X: 0 }, 'slow').dispatch(work);
        return { ...dispatch, workgroups: [workgroupsOf(dispatch, gpu.capabilities)[0], 20000, 1] as const };
      },
    };
    const tunable = { ...asked, candidates: [slow, right] };
    const store = memoryStore();
    const notes: string[] = [];
    const tuner = new Tuner(gpu, store, { repeats: 3, leastMs: 1, onNote: (note) => notes.push(note) });
    expect(await tuner.prepare([tunable])).toBe(true);
    expect(tuner.choose(tunable)).toBe(right.name);
    expect(Object.keys(store.found.get(asked.key)!.milliseconds)).toEqual(['slow', right.name]);
    await tuner.prepare([tunable]);
    expect(notes).toHaveLength(1);
    store.set(tunable.key, { name: 'gone', milliseconds: {} });
    expect(tuner.choose(tunable)).toBeUndefined();
  });

  it('keeps within its time, and says when that did not suffice', async () => {
    const { gpu, asked } = await askedOf();
    const store = memoryStore();
    const tuner = new Tuner(gpu, store, { seconds: 0 });
    const many = Array.from({ length: 3 }, (_, i) => ({ ...asked, key: `${asked.key} ${i}` }));
    const started = performance.now();
    expect(await tuner.prepare(many)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(store.found.size).toBe(0);
  });

  it('makes the choices of a plan before it is compiled', async () => {
    const { gpu } = await askedOf();
    const random = new TestRandom(2);
    const c = matmul(random.variable([33, 20]), random.variable([20, 36]));
    const store = memoryStore();
    const seen: string[] = [];
    const onProgress = (done: number, total: number) => void seen.push(`${done}/${total}`);
    attachTuner(gpu, new Tuner(gpu, store, { ...quick, onProgress }));
    const plan = await Plan.compile(gpu, { outputs: [c] }, { poison: true });
    plan.run();
    expect(relativeError(await plan.read(c), evaluate([c]).get(c)!)).toBeLessThan(1e-5);
    plan.destroy();
    expect([...store.found.keys()]).toEqual(['matmul NN 1x33x36x20 f32 f32 f32']);
    expect(seen).toEqual(['0/1', '1/1']);
  });
});
