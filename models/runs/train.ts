/** The epoch loop that both stages share: next batch, run the planned step, log, checkpoint. */
import { UserError } from '../../engine/errors.js';
import type { Batch } from '../datasets/loader.js';
import type { Job } from '../job.js';
import { adapterPeak } from './adapterPeak.js';
import type { RunFolder } from './runFolder.js';
import { addTimings, NO_TIME, StopWatch, short, timingLine, timingRecord, type Work } from './timing.js';
import { encodeState, restoreState, type StateTensors } from './trainingState.js';

type Losses = Readonly<Record<string, number>> & { readonly loss: number };

/** Where batches come from: `Loader`, or anything whose epochs depend on their number alone. */
export interface Batches<B> {
  readonly batchesPerEpoch: number;
  epoch(epoch: number): AsyncIterable<B>;
  /** Decodes what an epoch leaves out, where that may fail. */
  decodeLeftOut?(epoch: number): Promise<void>;
  /** Begins with an epoch that will be asked for next. */
  start?(epoch: number): void;
}

export interface TrainingLoop<B = Batch> {
  readonly label: string;
  readonly epochs: number;
  readonly loader: Batches<B>;
  /** Images of a step. */
  readonly batch: number;
  /** Steps of one update of the parameters (default 1); the epochs of `loader` are a multiple of it. */
  readonly accumulate?: number;
  /** Floating-point operations of a step. */
  readonly flops: number;
  /** Learning rate of an epoch, counted from 1. */
  rate(epoch: number): number;
  /** What a batch needs before its step, such as features of another model; begun while the steps before it run. */
  prepare?(batch: B): Promise<void>;
  /** Queues one step and returns without waiting for the device. */
  step(batch: B, epoch: number, rate: number): void;
  /** Reads the losses of the step queued last; `loss` is the total. */
  losses(): Promise<Losses>;
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
  if (finished >= epochs) return undefined;
  const perEpoch = loader.batchesPerEpoch;
  const bar = job.begin(loop.label, epochs * perEpoch);
  let mean: number | undefined;
  let timing = NO_TIME;
  try {
    bar.update(finished * perEpoch);
    for (let epoch = finished + 1; epoch <= epochs; epoch++) {
      const note = (text: string) => bar.update(epoch * perEpoch, `epoch ${epoch}/${epochs}  ${text}`);
      const first = epoch === finished + 1 ? job.mark : undefined;
      const ran = await runEpoch(folder, loop, epoch, first, (step, loss, speed) =>
        bar.update(
          (epoch - 1) * perEpoch + step,
          `epoch ${epoch}/${epochs}  loss ${loss.toFixed(4)}  ${short(speed)} images/s`,
        ),
      );
      mean = ran.mean;
      timing = addTimings(timing, ran.timing);
      folder.logTiming({ epoch, ...timingRecord(ran.timing, await workOf(job, loop)) });
      // Nothing is written yet: the last moment for a broken image to leave nothing behind.
      if (epoch === 1) await loader.decodeLeftOut?.(epoch);
      await loop.endEpoch?.(epoch, note);
      await folder.flush();
      await folder.write(STATE, await encodeState(job.gpu, loop.state, { epoch: String(epoch) }));
    }
  } finally {
    bar.end();
  }
  job.note(`${loop.label}: ${timingLine(timing, await workOf(job, loop))}`);
  return mean;
}

/** Measured behind the first epoch, not before it: nobody waits for it then, and the device has left its idle clocks. */
const workOf = async ({ gpu }: Job, { flops }: { readonly flops: number }): Promise<Work> => ({
  flops,
  peak: await adapterPeak(gpu),
});

/**
 * One epoch; several steps are always under way, and each one's losses are read while later ones run.
 *
 * @param mark hears of the first of them, where that is measured
 */
async function runEpoch<B>(
  folder: RunFolder,
  loop: TrainingLoop<B>,
  epoch: number,
  mark: Job['mark'],
  progress: (step: number, loss: number, imagesPerSecond: number) => void,
) {
  const { loader, accumulate = 1, epochs } = loop;
  const rate = loop.rate(epoch);
  const watch = new StopWatch();
  const pending: Promise<Losses>[] = [];
  let total = 0;
  let started = 0;
  let step = 0;
  let update: Losses[] = [];
  const settle = async () => {
    const losses = await watch.waiting('gpu', pending.shift()!);
    const { images, seconds } = watch.read();
    step++;
    total += losses.loss;
    update.push(losses);
    if (!Number.isFinite(losses.loss)) throw diverged(losses.loss, epoch, Math.ceil(step / accumulate));
    progress(step, losses.loss, images / seconds);
    if (update.length < accumulate) return;
    folder.log({ epoch, step: step / accumulate, rate, ...meanLosses(update) });
    update = [];
  };
  const batches = upcoming(loader.epoch(epoch), loop.prepare?.bind(loop));
  try {
    for (;;) {
      const next = await watch.waiting('decode', batches.next());
      if (!next) break;
      // What prepares a batch beside decoding is work of the device.
      if (next.ready) await watch.waiting('gpu', next.ready);
      loop.step(next.batch, epoch, rate);
      watch.step(loop.batch);
      const losses = loop.losses();
      if (started++ === 0) {
        mark?.('first step queued');
        losses.then(
          () => mark?.('first step done'),
          () => undefined,
        );
      }
      // Awaited in its turn; until then a failure of another wait must not make it an unhandled rejection.
      losses.catch(() => undefined);
      pending.push(losses);
      if (pending.length >= IN_FLIGHT) await settle();
    }
    // The next epoch's first images are decoded while the device finishes this one.
    if (epoch < epochs) loader.start?.(epoch + 1);
    while (pending.length > 0) await settle();
  } finally {
    await batches.end();
  }
  return { mean: total / loader.batchesPerEpoch, timing: watch.read() };
}

/** The batches of an epoch; the preparation of the next is begun before one is handed over. */
function upcoming<B>(source: AsyncIterable<B>, prepare?: (batch: B) => Promise<void>) {
  const batches = source[Symbol.asyncIterator]();
  type Upcoming = { readonly batch: B; readonly ready?: Promise<void> };
  const begin = async (): Promise<Upcoming | undefined> => {
    const { done, value } = await batches.next();
    if (done) return undefined;
    const ready = prepare?.(value);
    ready?.catch(() => undefined);
    return { batch: value, ready };
  };
  let following: Promise<Upcoming | undefined> | undefined;
  return {
    async next(): Promise<Upcoming | undefined> {
      const next = await (following ?? begin());
      following = undefined;
      if (next && prepare) {
        following = begin();
        following.catch(() => undefined);
      }
      return next;
    },
    end: async () => void (await batches.return?.()),
  };
}

/** Means over the batches of an update, part by part. */
function meanLosses(batches: readonly Losses[]): Losses {
  const mean = (name: string) => batches.reduce((sum, losses) => sum + losses[name]!, 0) / batches.length;
  return Object.fromEntries(Object.keys(batches[0]!).map((name) => [name, mean(name)])) as Losses;
}

const diverged = (loss: number, epoch: number, step: number) =>
  new UserError(
    `the loss is ${loss} in step ${step} of epoch ${epoch}: training has diverged`,
    'lower the learning rate or the distillation weight',
  );

async function restore(job: Job, folder: RunFolder, loop: Pick<TrainingLoop, 'state'>): Promise<number> {
  const path = folder.join(STATE);
  if (!(await job.platform.stat(path))) {
    // Ended between the first epoch's lines and its checkpoint.
    await folder.rewind(0);
    return 0;
  }
  const { epoch } = await restoreState(job.gpu, job.platform, path, loop.state);
  await folder.rewind(Number(epoch));
  job.note(`continuing after epoch ${epoch}`);
  return Number(epoch);
}
