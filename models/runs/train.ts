/** The epoch loop that both stages share: next batch, run the planned step, log, checkpoint. */
import { UserError } from '../../engine/errors.js';
import type { Batch } from '../datasets/loader.js';
import type { Job } from '../job.js';
import type { Metrics, RunFolder } from './runFolder.js';
import { encodeState, restoreState, type StateTensors } from './trainingState.js';

/** Where batches come from: `Loader`, or anything whose epochs depend on their number alone. */
export interface Batches<B> {
  readonly batchesPerEpoch: number;
  epoch(epoch: number): AsyncIterable<B>;
  /** Decodes what an epoch leaves out, where that may fail. */
  decodeLeftOut?(epoch: number): Promise<void>;
}

export interface TrainingLoop<B = Batch> {
  readonly label: string;
  readonly epochs: number;
  readonly loader: Batches<B>;
  /** Learning rate of an epoch, counted from 1. */
  rate(epoch: number): number;
  /** Queues one step and returns without waiting for the device. */
  step(batch: B, epoch: number, rate: number): void;
  /** Reads the losses of the step queued last; `loss` is the total. */
  losses(): Promise<Readonly<Record<string, number>> & { readonly loss: number }>;
  /** Awaited when the steps of an epoch have run; what it changes in `state` is kept. `note` shows a text at the bar. */
  endEpoch?(epoch: number, note: (text: string) => void): void | Promise<void>;
  /** Everything that later epochs depend on. */
  readonly state: StateTensors;
}

const STATE = 'checkpoints/last.safetensors';
/** Steps queued before the oldest one's loss is awaited: the device never waits for the host, nor runs far ahead. */
const IN_FLIGHT = 3;

/**
 * Trains from the first epoch that is not in the folder's checkpoint to the last one.
 * Returns the mean loss of the last epoch trained here; undefined when there was nothing left to do.
 */
export async function train<B = Batch>(
  job: Job,
  folder: RunFolder,
  loop: TrainingLoop<B>,
): Promise<number | undefined> {
  const finished = await restore(job, folder, loop);
  const { epochs, loader } = loop;
  const perEpoch = loader.batchesPerEpoch;
  const bar = job.begin(loop.label, epochs * perEpoch);
  let mean: number | undefined;
  try {
    bar.update(finished * perEpoch);
    for (let epoch = finished + 1; epoch <= epochs; epoch++) {
      const rate = loop.rate(epoch);
      const pending: Promise<number>[] = [];
      let total = 0;
      let step = 0;
      const settle = async () => {
        const loss = await pending.shift()!;
        total += loss;
        bar.update((epoch - 1) * perEpoch + ++step, `epoch ${epoch}/${epochs}  loss ${loss.toFixed(4)}`);
      };
      for await (const batch of loader.epoch(epoch)) {
        loop.step(batch, epoch, rate);
        pending.push(record(folder, loop, { epoch, step: step + pending.length + 1, rate }));
        if (pending.length >= IN_FLIGHT) await settle();
      }
      while (pending.length > 0) await settle();
      // Nothing is written yet: the last moment for a broken image to leave nothing behind.
      if (epoch === 1) await loader.decodeLeftOut?.(epoch);
      await loop.endEpoch?.(epoch, (text) =>
        bar.update(epoch * perEpoch, `epoch ${epoch}/${epochs}  ${text}`),
      );
      mean = total / perEpoch;
      await folder.flush();
      await folder.write(STATE, await encodeState(job.gpu, loop.state, { epoch: String(epoch) }));
    }
  } finally {
    bar.end();
  }
  return mean;
}

async function restore<B>(job: Job, folder: RunFolder, loop: TrainingLoop<B>): Promise<number> {
  const path = folder.join(STATE);
  if (!(await job.platform.stat(path))) return 0;
  const { epoch } = await restoreState(job.gpu, job.platform, path, loop.state);
  await folder.rewind(Number(epoch));
  job.note(`continuing after epoch ${epoch}`);
  return Number(epoch);
}

/** Logs the losses of the step queued last, and stops a run that has diverged. */
async function record<B>(folder: RunFolder, loop: TrainingLoop<B>, at: Metrics): Promise<number> {
  const losses = await loop.losses();
  folder.log({ ...at, ...losses });
  if (!Number.isFinite(losses.loss))
    throw new UserError(
      `the loss is ${losses.loss} in step ${at.step} of epoch ${at.epoch}: training has diverged`,
      'lower the learning rate or the distillation weight',
    );
  return losses.loss;
}
