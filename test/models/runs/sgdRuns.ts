/** Runs of a few steps of SGD on one variable, in folders of a test's own. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import type { UserError } from '../../../engine/errors.js';
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

const EPOCHS = 4;
const BATCHES = 6;

/** What a run throws that was told to stop. */
export class Ended extends Error {}

/** What happens to a run. */
export interface Course extends TrainOptions {
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

/** @param test names the folder that holds the runs */
export function sgdRuns(test: string) {
  const folder = temporaryFolder(test);
  let base: Promise<Job> | undefined;

  /** A run of steps of SGD on gradients that are the numbers of the batches: the order matters, and every bit. */
  async function run(out: string, course: Course = {}) {
    const { settings = { seed: 1 }, resume, accumulate = 1, inputs = { images: 'a' }, ...options } = course;
    base ??= testJob();
    const notes: string[] = [];
    let requested = false;
    const job: Job = {
      ...(await base),
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
    await withRunFolder(
      nodePlatform,
      path,
      'teacher',
      settings,
      { resume, note: job.note },
      async (target) => {
        await train(job, target, loop, options);
        const result = await readLeaf(gpu, x);
        await target.write('result', new Uint8Array(result.buffer));
      },
    );
    return { notes, steps };
  }

  const at = (...parts: string[]) => join(folder, ...parts);
  const bytes = (...parts: string[]) => readFileSync(at(...parts)).toString('hex');
  const checkpoints = (out: string) => readdirSync(at(out, 'checkpoints')).sort();
  const same = (out: string, whole = 'whole') => {
    for (const file of ['result', 'metrics.jsonl', 'config.yaml', 'checkpoints/epoch-0004.safetensors'])
      expect(bytes(out, file), file).toBe(bytes(whole, file));
  };
  return { run, at, bytes, checkpoints, same };
}

/** The error that ends a promise. */
export const failure = (promise: Promise<unknown>): Promise<UserError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  );
