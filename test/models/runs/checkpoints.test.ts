/** What a run leaves on disk, and how it is continued: steps of SGD on one variable. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { readLeaf, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { input, scalar, variable } from '../../../engine/graph/tensor.js';
import { sgd } from '../../../engine/train/optim.js';
import type { Job } from '../../../models/job.js';
import { stateOf } from '../../../models/runs/checkpoints.js';
import { withRunFolder } from '../../../models/runs/runFolder.js';
import { type TrainingLoop, type TrainOptions, train } from '../../../models/runs/train.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { injectFaults } from '../../helpers/writeFaults.js';

const folder = temporaryFolder('checkpoints');
const EPOCHS = 4;
const BATCHES = 6;

class Ended extends Error {}

interface Course extends TrainOptions {
  readonly settings?: object;
  readonly resume?: boolean;
  readonly accumulate?: number;
  readonly inputs?: Record<string, string>;
  /** Steps over the whole run before it is broken off, without a word or as Ctrl-C does. */
  readonly killAt?: number;
  readonly stopAt?: number;
  /** The step whose gradient is NaN. */
  readonly spoilAt?: number;
  /** The step that says that something is wrong. */
  readonly faultAt?: number;
}

let base: Job;
beforeAll(async () => {
  base = await testJob();
});

/** A run of steps of SGD on gradients that are the numbers of the batches: the order matters, and every bit. */
async function run(out: string, course: Course = {}) {
  const { settings = { seed: 1 }, resume, accumulate = 1, inputs = { images: 'a' }, ...options } = course;
  const notes: string[] = [];
  let requested = false;
  const job: Job = {
    ...base,
    note: (line) => notes.push(line),
    stop: {
      get requested() {
        return requested;
      },
      begin() {},
      end() {},
      stopped: (line) => new Ended(line),
    },
  };
  const { gpu } = job;
  const x = variable(Float32Array.of(1, 2), [2], 'x');
  const gradient = input([2], 'gradient');
  const optimiser = sgd([x], [gradient], scalar(0.01), { momentum: 0.9, weightDecay: 0.1 });
  const plan = await Plan.compile(gpu, { updates: optimiser.updates });
  const steps: number[] = [];
  const loop: TrainingLoop<number> = {
    label: 'test',
    epochs: EPOCHS,
    batch: 1,
    accumulate,
    flops: 1,
    rate: () => 0.1,
    loader: {
      batchesPerEpoch: BATCHES,
      async *epoch(epoch, from = 0) {
        for (let batch = from; batch < BATCHES; batch++) yield (epoch - 1) * BATCHES + batch + 1;
      },
    },
    step: (n) => {
      if (n === course.killAt) throw new Error('killed');
      if (n === course.stopAt) requested = true;
      steps.push(n);
      write(gpu, gradient, Float32Array.of(Math.sin(n), n === course.spoilAt ? Number.NaN : 1 / n));
      plan.run();
    },
    losses: async () => {
      const n = steps.at(-1)!;
      return { losses: { loss: 1 / n }, ...(n === course.faultAt && { fault: 'x is not finite' }) };
    },
    state: stateOf([x], optimiser.state),
    inputs,
  };
  const path = join(folder, out);
  await withRunFolder(nodePlatform, path, 'teacher', settings, { resume, note: job.note }, async (target) => {
    await train(job, target, loop, options);
    const result = await readLeaf(gpu, x);
    await target.write('result', new Uint8Array(result.buffer));
  });
  return { notes, steps };
}

const at = (...parts: string[]) => join(folder, ...parts);
const bytes = (...parts: string[]) => readFileSync(at(...parts)).toString('hex');
const checkpoints = (out: string) => readdirSync(at(out, 'checkpoints')).sort();
const same = (out: string, whole = 'whole') => {
  for (const file of ['result', 'metrics.jsonl', 'config.yaml', 'checkpoints/epoch-0004.safetensors'])
    expect(bytes(out, file), file).toBe(bytes(whole, file));
};
const failure = (promise: Promise<unknown>): Promise<UserError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  );
/** Flips the lowest bit of a byte. */
function flip(place: number, ...parts: string[]): void {
  const file = readFileSync(at(...parts));
  file[place]! ^= 1;
  writeFileSync(at(...parts), file);
}

describe('the checkpoints of a run', () => {
  beforeAll(async () => {
    await run('whole');
  });

  it('are the last two', () => {
    expect(checkpoints('whole')).toEqual(['epoch-0003.safetensors', 'epoch-0004.safetensors']);
  });

  it('bring it to the same bits, wherever it was killed, and within an epoch too', async () => {
    for (const killAt of [1, 4, 7, 14, 20, 24]) {
      const out = `killed-${killAt}`;
      await expect(run(out, { killAt, checkpointMinutes: 0 })).rejects.toThrow('killed');
      if (killAt === 1) expect(existsSync(at(out))).toBe(false);
      const { steps } = await run(out, { resume: true });
      // The three steps that were under way are done again.
      expect(steps[0]).toBeGreaterThan(killAt - 4);
      same(out);
    }
  });

  it('are written between updates alone where gradients are accumulated', async () => {
    await run('whole-3', { accumulate: 3 });
    await expect(run('killed-3', { accumulate: 3, killAt: 12, checkpointMinutes: 0 })).rejects.toThrow(
      'killed',
    );
    expect(checkpoints('killed-3')).toEqual([
      'epoch-0001.safetensors',
      'epoch-0002-batch-000003.safetensors',
    ]);
    await run('killed-3', { accumulate: 3, resume: true });
    same('killed-3', 'whole-3');
  });

  it('are written when the user asks for the end, and the run goes on from there', async () => {
    const error = await failure(run('stopped', { stopAt: 9 }));
    expect(error).toBeInstanceOf(Ended);
    expect(error.message).toBe(
      `stopped after batch 3 of epoch 2; continue with: promptkd teacher --resume --out ${at('stopped')}`,
    );
    const { steps, notes } = await run('stopped', { resume: true });
    expect(steps[0]).toBe(10);
    expect(notes).toContain('continuing after batch 3 of epoch 2');
    same('stopped');
  });

  it('give way to the one before when the newest is damaged, whatever part of it', async () => {
    const size = readFileSync(at('whole', 'checkpoints', 'epoch-0004.safetensors')).length;
    for (const place of [0, 9, 100, 200, size - 1]) {
      const out = `damaged-${place}`;
      await run(out);
      flip(place, out, 'checkpoints', 'epoch-0004.safetensors');
      const { notes, steps } = await run(out, { resume: true });
      expect(notes.some((line) => /left aside: .*epoch-0004/.test(line))).toBe(true);
      expect(steps[0]).toBe(19);
      same(out);
    }
  });

  it('end the command where all are damaged', async () => {
    await run('all-damaged');
    for (const name of checkpoints('all-damaged')) flip(100, 'all-damaged', 'checkpoints', name);
    const error = await failure(run('all-damaged', { resume: true }));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/no checkpoint of .*all-damaged can be read: .*epoch-0004/);
    expect(error.mend).toMatch(/delete .*checkpoints/);
  });

  it('are never replaced by one that is not finite', async () => {
    const error = await failure(run('spoilt', { spoilAt: 15 }));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/"x(\.momentum)?" is not written: its value .* is not finite/);
    expect(checkpoints('spoilt')).toEqual(['epoch-0001.safetensors', 'epoch-0002.safetensors']);
    await run('spoilt', { resume: true });
    same('spoilt');
  });

  it('stay when a step has left something that is not finite, and the step is named', async () => {
    const error = await failure(run('fault', { faultAt: 15 }));
    expect(error.message).toBe('step 3 of epoch 3: x is not finite: training has diverged');
    expect(checkpoints('fault')).toEqual(['epoch-0001.safetensors', 'epoch-0002.safetensors']);
  });

  it('belong to a run: others are told what differs', async () => {
    await failure(run('other', { killAt: 15 }));
    const settings = await failure(run('other', { resume: true, settings: { seed: 2, batch: 3 } }));
    expect(settings.message).toBe(
      `the run in ${at('other')} has other settings: seed is 1 there and 2 now; batch is not given there and 3 now`,
    );
    expect(settings.mend).toMatch(/only data, clip, .* may change/);
    const images = await failure(run('other', { resume: true, inputs: { images: 'b' } }));
    expect(images.message).toMatch(/the images of .*other has changed since/);
    // A damaged config.yaml is noticed by what the checkpoint knows.
    writeFileSync(at('other', 'config.yaml'), 'kind: teacher\nseed: 3\n');
    const edited = await failure(run('other', { resume: true, settings: { seed: 3 } }));
    expect(edited.message).toMatch(
      /that .*epoch-0002\.safetensors belongs to has other settings: seed is 1 there and 3 now/,
    );
  });

  it('may be continued from moved data, and config.yaml says where it is', async () => {
    await failure(run('moved', { killAt: 15, settings: { data: 'here', seed: 1 } }));
    await run('moved', { resume: true, settings: { data: 'there', seed: 1 } });
    expect(readFileSync(at('moved', 'config.yaml'), 'utf8')).toContain('data: there');
    expect(bytes('moved', 'result')).toBe(bytes('whole', 'result'));
  });

  it('know what metrics.jsonl said: a change in it is told', async () => {
    await failure(run('lines', { killAt: 15 }));
    flip(20, 'lines', 'metrics.jsonl');
    const { notes } = await run('lines', { resume: true });
    expect(notes.some((line) => /metrics\.jsonl was changed or damaged/.test(line))).toBe(true);
    expect(bytes('lines', 'result')).toBe(bytes('whole', 'result'));
  });

  it('may be missing: the run begins anew and says so', async () => {
    await run('none');
    rmSync(at('none', 'checkpoints'), { recursive: true });
    const { notes } = await run('none', { resume: true });
    expect(notes).toContain(`${at('none')} holds no checkpoint yet: the run begins anew`);
    same('none');
  });
});

describe('the folder of a run', () => {
  it('is not left behind by a run that fails before its first checkpoint', async () => {
    await failure(run('failed', { killAt: 3 }));
    expect(existsSync(at('failed'))).toBe(false);
  });

  it('is not left behind where its first checkpoint is in its place and cannot be flushed', async () => {
    const unflushed = /checkpoints$/;
    const faults = injectFaults((call, _, path) =>
      call === 'syncFolder' && unflushed.test(path) ? 'EIO' : undefined,
    );
    try {
      expect((await failure(run('unflushed'))).message).toMatch(/cannot be written: EIO/);
    } finally {
      faults.restore();
    }
    expect(faults.hits).toBe(1);
    expect(existsSync(at('unflushed'))).toBe(false);
    await run('unflushed', { resume: true });
    same('unflushed');
  });

  it('is as it was when such a run was to use one that was there', async () => {
    mkdirSync(at('empty'));
    await failure(run('empty', { killAt: 3 }));
    expect(readdirSync(at('empty'))).toEqual([]);
  });

  it('begins anew, with or without --resume, where an earlier run was killed while it wrote config.yaml', async () => {
    for (const resume of [false, true]) {
      const out = `cut-${resume}`;
      mkdirSync(at(out));
      writeFileSync(at(out, 'config.yaml.0123456789ab.tmp'), 'kind: tea');
      const { notes } = await run(out, { resume });
      expect(notes.includes(`${at(out)} holds nothing to continue: the run begins anew`)).toBe(resume);
      same(out);
      expect(readdirSync(at(out)).some((name) => name.endsWith('.tmp'))).toBe(false);
    }
  });

  it('is refused where it holds something else', async () => {
    mkdirSync(at('foreign'));
    writeFileSync(at('foreign', 'letter.txt'), '');
    expect((await failure(run('foreign', { resume: true }))).message).toMatch(/foreign is not empty/);
    expect(readdirSync(at('foreign'))).toEqual(['letter.txt']);
  });

  it('has one owner at a time', async () => {
    const path = at('owned');
    await withRunFolder(nodePlatform, path, 'teacher', {}, {}, async () => {
      const error = await failure(run('owned', { resume: true, settings: {} }));
      expect(error.message).toMatch(new RegExp(`owned is in use by process ${process.pid}, which started`));
    });
  });

  it('is tried before anything is computed', async () => {
    writeFileSync(at('file'), '');
    for (const out of ['file', 'file/below']) expect(await failure(run(out))).toBeInstanceOf(UserError);
  });
});
