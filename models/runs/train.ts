/** The epoch loop that both stages share: next batch, run the planned step, log, checkpoint. */
import { UserError } from '../../engine/index.js';
import type { Batch } from '../datasets/loader.js';
import type { Job } from '../job.js';
import { number } from '../numbers.js';
import { adapterPeak } from './adapterPeak.js';
import {
  BEGINNING,
  Checkpoints,
  describePosition,
  type Inputs,
  type Position,
  type StateTensors,
} from './checkpoints.js';
import type { RunFolder } from './runFolder.js';
import { addTimings, NO_TIME, StopWatch, timingLine, timingRecord, type Work } from './timing.js';

/** Losses of one batch: the total, and its parts by name. */
export type StepLosses = Readonly<Record<string, number>> & { readonly loss: number };

/** What is read back after a step. */
export interface StepResult {
  readonly losses: StepLosses;
  /** What is wrong after the step, as a clause without a full stop: "the projection's fc1.weight is not finite". */
  readonly fault?: string;
}

/** A source of batches: `Loader`, or anything whose epochs depend on their number alone. */
export interface Batches<B> {
  readonly batchesPerEpoch: number;
  /** The batches of an epoch from number `from` on, counted from 0. */
  epoch(epoch: number, from?: number): AsyncIterable<B>;
  /** Decodes the items that an epoch leaves out, if that may fail. */
  decodeLeftOut?(epoch: number): Promise<void>;
  /** Starts preparing the epoch that is requested next. */
  start?(epoch: number, from?: number): void;
}

/** What a training run does, for the loop that all runs share. */
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
  /** Reads the results of the last queued step. */
  losses(): Promise<StepResult>;
  /** Awaited when the steps of an epoch have run; what it changes in `state` is kept. `note` shows a text at the bar. */
  endEpoch?(epoch: number, note: (text: string) => void): void | Promise<void>;
  /** Awaited before every checkpoint: what else must not be lost. */
  flush?(): Promise<void>;
  /** Everything that later steps depend on. */
  readonly state: StateTensors;
  /** What the run depends on besides its settings; it is not continued with others. */
  readonly inputs?: Inputs;
}

/** Minutes between checkpoints within an epoch, unless given. */
export const CHECKPOINT_MINUTES = 10;

/** How often a run is saved. */
export interface TrainOptions {
  /** Within an epoch a checkpoint is written when this much time has passed since the last one (default 10). */
  readonly checkpointMinutes?: number;
}

/** The same for the run of a stage. */
export interface TrainRunOptions extends TrainOptions {
  /** Continue the run in the folder. */
  readonly resume?: boolean;
  /** Also write event files for TensorBoard. */
  readonly tensorboard?: boolean;
}

/** Steps queued before the oldest one's loss is awaited: the device never waits for the host, nor runs far ahead. */
const IN_FLIGHT = 3;

/**
 * Trains from where the folder's newest checkpoint was written to the last epoch.
 * Returns the mean loss of the last epoch trained here; undefined when there was nothing left to do.
 *
 * @throws UserError when training diverges: what was written before stays; Stopped when the user asks for it
 */
export async function train<B = Batch>(
  job: Job,
  folder: RunFolder,
  loop: TrainingLoop<B>,
  options: TrainOptions = {},
): Promise<number | undefined> {
  const checkpoints = new Checkpoints(job, folder, loop.state, loop.inputs);
  const restored = await checkpoints.restore();
  if (restored) job.note(`continuing after ${describePosition(restored)}`);
  else if (folder.continued) job.note(`${folder.path} holds no checkpoint yet: the run begins anew`);
  const { epochs } = loop;
  let position = restored ?? BEGINNING;
  if (position.epoch >= epochs) return undefined;
  const perEpoch = loop.loader.batchesPerEpoch;
  if (folder.events) folder.events.updatesPerEpoch = perEpoch / (loop.accumulate ?? 1);
  let mean: number | undefined;
  // Before the bar is shown: whoever sees it may already press Ctrl-C.
  job.stop?.begin();
  const run = new Run(job, folder, loop, checkpoints, options);
  try {
    while (position.epoch < epochs) {
      mean = (await run.epoch(position)) / perEpoch;
      position = { ...BEGINNING, epoch: position.epoch + 1 };
      await run.endEpoch(position);
    }
  } finally {
    run.bar.end();
    job.stop?.end();
  }
  job.note(`${loop.label}: ${timingLine(run.timing, await workOf(job, loop))}`);
  return mean;
}

/** Measured after the first epoch: it does not delay the start, and the device has left its idle clocks. */
const workOf = async ({ gpu }: Job, { flops }: { readonly flops: number }): Promise<Work> => ({
  flops,
  peak: await adapterPeak(gpu),
});

/** The state of a running loop. */
class Run<B> {
  readonly bar;
  timing = NO_TIME;
  private saved = performance.now();
  private readonly limit: number;

  constructor(
    private readonly job: Job,
    private readonly folder: RunFolder,
    private readonly loop: TrainingLoop<B>,
    private readonly checkpoints: Checkpoints,
    { checkpointMinutes = CHECKPOINT_MINUTES }: TrainOptions,
  ) {
    this.bar = job.begin(loop.label, loop.epochs * loop.loader.batchesPerEpoch);
    this.limit = checkpointMinutes * 60_000;
  }

  /**
   * Trains the rest of the epoch after `position`. Several steps are in flight; each one's losses are read while later ones run.
   *
   * @returns the sum of the losses of all its batches
   */
  async epoch(position: Position): Promise<number> {
    const { loop, folder, bar, job } = this;
    const { loader, accumulate = 1, epochs } = loop;
    const perEpoch = loader.batchesPerEpoch;
    const epoch = position.epoch + 1;
    const rate = loop.rate(epoch);
    const watch = new StopWatch();
    const pending: Promise<StepResult>[] = [];
    let { batch: step, lossSum } = position;
    let queued = step;
    let update: StepLosses[] = [];
    bar.update(position.epoch * perEpoch + step);
    const settle = async () => {
      const { losses, fault } = await watch.waiting('gpu', pending.shift()!);
      const { images, seconds } = watch.read();
      step++;
      lossSum += losses.loss;
      update.push(losses);
      if (fault !== undefined || !Number.isFinite(losses.loss))
        throw diverged(fault ?? `the loss is ${losses.loss}`, epoch, Math.ceil(step / accumulate), folder);
      const text = `epoch ${epoch}/${epochs}  loss ${losses.loss.toFixed(4)}  ${number(images / seconds, 2)} images/s`;
      bar.update(position.epoch * perEpoch + step, text);
      if (update.length < accumulate) return;
      folder.log({ epoch, step: step / accumulate, rate, ...meanLosses(update) });
      update = [];
    };
    const batches = upcoming(loader.epoch(epoch, step), loop.prepare?.bind(loop));
    try {
      for (;;) {
        if (queued % accumulate === 0 && queued > position.batch && queued < perEpoch && this.isDue()) {
          while (pending.length > 0) await settle();
          await this.save({ epoch: position.epoch, batch: step, lossSum });
        }
        const next = await watch.waiting('decode', batches.next());
        if (!next) break;
        // Preparation other than decoding is device work.
        if (next.ready) await watch.waiting('gpu', next.ready);
        loop.step(next.batch, epoch, rate);
        watch.step(loop.batch);
        const losses = loop.losses();
        if (this.timing === NO_TIME && queued === position.batch) this.markFirst(losses);
        queued++;
        // Awaited later; prevents an unhandled rejection if something else fails first.
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
    const timing = watch.read();
    this.timing = addTimings(this.timing, timing);
    folder.logTiming({ epoch, ...timingRecord(timing, await workOf(job, loop)) });
    return lossSum;
  }

  /** Ends the last epoch of `position`: the loop's own work, then a checkpoint. */
  async endEpoch(position: Position): Promise<void> {
    const { loop, bar } = this;
    const { epoch } = position;
    const note = (text: string) =>
      bar.update(epoch * loop.loader.batchesPerEpoch, `epoch ${epoch}/${loop.epochs}  ${text}`);
    // Nothing is saved yet, so a broken image found now leaves no folder behind.
    if (epoch === 1) await loop.loader.decodeLeftOut?.(epoch);
    await loop.endEpoch?.(epoch, note);
    await this.save(position);
  }

  private isDue(): boolean {
    return this.job.stop?.requested === true || performance.now() - this.saved >= this.limit;
  }

  private async save(position: Position): Promise<void> {
    await this.loop.flush?.();
    await this.checkpoints.save(position);
    this.saved = performance.now();
    if (this.job.stop?.requested && position.epoch < this.loop.epochs)
      throw this.job.stop.stopped(
        `stopped after ${describePosition(position)}; continue with: ${this.folder.continuation}`,
      );
  }

  private markFirst(losses: Promise<StepResult>): void {
    const { mark } = this.job;
    mark?.('first step queued');
    losses.then(
      () => mark?.('first step done'),
      () => undefined,
    );
  }
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
function meanLosses(batches: readonly StepLosses[]): StepLosses {
  const mean = (name: string) => batches.reduce((sum, losses) => sum + losses[name]!, 0) / batches.length;
  return Object.fromEntries(Object.keys(batches[0]!).map((name) => [name, mean(name)])) as StepLosses;
}

const diverged = (what: string, epoch: number, step: number, folder: RunFolder) =>
  new UserError(
    `step ${step} of epoch ${epoch}: ${what}: training has diverged`,
    `train again with a lower learning rate or distillation weight, into another folder than ${folder.path}`,
  );
