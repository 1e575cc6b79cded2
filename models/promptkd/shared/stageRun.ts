/**
 * The recipe of both stages: read what is asked for; load; record and compile; train; save. What is made on the device is freed
 * at the end, however it comes; a device that is lost is opened again.
 */
import { cosineRate, kernelWork, leafBuffer, type PlanRequest } from '../../../engine/index.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import { noteOfficial } from '../../checkpoints/official.js';
import type { ClipConfig } from '../../clip/config.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import { type Batch, Loader } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import { GpuPreprocessor } from '../../images/gpuPreprocess.js';
import type { Job } from '../../job.js';
import type { Inputs } from '../../runs/checkpoints.js';
import { type RunFolder, TENSORBOARD, withRunFolder } from '../../runs/runFolder.js';
import { SkippedImages } from '../../runs/skippedImages.js';
import { freeing, type Own, survivingLoss } from '../../runs/survival.js';
import type { EventFile } from '../../runs/tensorboard.js';
import { type TrainingLoop, type TrainRunOptions, train } from '../../runs/train.js';
import { schedule } from './defaults.js';
import { withFittingBatch } from './fittingBatch.js';
import type { StudentSettings, TeacherSettings } from './settings.js';
import { type StepGraph, TrainingStep } from './trainingStep.js';

type Requested = TeacherSettings | StudentSettings;
/** What the recipe itself reads of a stage's resolved settings. */
type Resolved = Requested & Required<Pick<Requested, 'batch' | 'epochs' | 'learningRate'>>;

/** What a stage has read before anything is written. */
export interface StageData {
  /** The images to train on, without those that are known to be broken. */
  readonly items: readonly ImageItem[];
  readonly skipped: Skipped;
  /** What the run depends on besides its settings. */
  readonly inputs: Inputs;
}

/** One stage of the method. */
export interface Stage<G extends Requested, S extends Resolved, D extends StageData> {
  /** Of the run folder. */
  readonly kind: 'teacher' | 'student';
  /** 1 or 2. */
  readonly number: number;
  /** What it does, for the progress bar: "tuning the teacher". */
  readonly doing: string;
  /** The batch size that the learning rate is meant for, where it is scaled. */
  baseBatch(settings: S): number;
  /** Fills in defaults. @throws UserError when the settings contradict each other or do not fit the CLIP */
  resolve(requested: G, config: ClipConfig): S;
  /** Reads and checks the data, and whatever else may be wrong. */
  read(at: { job: Job; settings: S; checkpoint: ClipCheckpoint; dataset: Dataset }): Promise<D>;
  /** Loads the models, makes features, records and compiles the step. */
  build(at: StageBuild<S, D>): Promise<Trainable>;
}

/** What a stage builds its step from. */
export interface StageBuild<S, D> {
  readonly job: Job;
  readonly settings: S;
  readonly checkpoint: ClipCheckpoint;
  readonly data: D;
  /** Of the training images. */
  readonly loader: Loader;
  readonly folder: RunFolder;
  /** Frees something at the end of the run. */
  readonly own: Own;
  /** To be awaited once the weights are on the device. */
  weightsLoaded(): Promise<void>;
  /**
   * Compiles the recorded step. Meanwhile the first images are decoded.
   *
   * @param loader of the batches that the step will get
   * @param withBatch the same step with another batch size, by shapes alone
   * @throws OutOfMemoryError that names the largest batch that fits
   */
  compile<G extends StepGraph>(
    graph: G,
    loader: Loader,
    withBatch: (batch: number) => PlanRequest,
  ): Promise<TrainingStep<G>>;
}

/** A compiled step and what belongs to it; `inputs` are those besides settings and data. */
export interface Trainable
  extends Pick<TrainingLoop, 'loader' | 'prepare' | 'endEpoch' | 'flush' | 'state' | 'inputs'> {
  readonly step: TrainingStep;
  /** Writes what the step reads beside images and learning rate. */
  feed(batch: Batch, epoch: number): void;
  /** The files of the run, by name; where the last one is, the run is finished. */
  results(): Promise<readonly (readonly [name: string, data: Uint8Array])[]>;
}

/**
 * Runs a stage into the folder `out`, or goes on with the run that is there.
 *
 * @throws UserError when settings or files are wrong, or training diverges; Stopped when the user asks for it
 */
export const runStage = <G extends Requested, S extends Resolved, D extends StageData>(
  stage: Stage<G, S, D>,
  job: Job,
  requested: G,
  out: string,
  { resume = false, ...options }: TrainRunOptions = {},
): Promise<void> =>
  survivingLoss(job, (now, again) =>
    runOnce(stage, { ...now, precision: requested.precision }, requested, out, {
      ...options,
      resume: resume || again,
    }),
  );

async function runOnce<G extends Requested, S extends Resolved, D extends StageData>(
  stage: Stage<G, S, D>,
  job: Job,
  requested: G,
  out: string,
  { resume, tensorboard, ...options }: TrainRunOptions,
): Promise<void> {
  const { gpu, platform } = job;
  const checkpoint = await loadCheckpoint(platform, requested.clip);
  const size = checkpoint.config.vision.resolution;
  // Awaited behind the weights: a hash of gigabytes takes as long as uploading them.
  const noted = noteOfficial(job, checkpoint);
  noted.catch(() => undefined);
  const settings = stage.resolve(requested, checkpoint.config);
  const dataset = await loadDataset(platform, requested.data, requested);
  for (const note of dataset.notes) job.note(note);
  const data = await stage.read({ job, settings, checkpoint, dataset });
  const images = trainingLoader(job, data, settings, size);

  const work = async (folder: RunFolder, own: Own): Promise<void> => {
    const broken = await SkippedImages.open(platform, folder, data.skipped);
    const { step, ...trainable } = await stage.build({
      ...{ job, settings, checkpoint, data, folder, own },
      loader: images,
      weightsLoaded: async () => {
        await noted;
        job.mark?.('weights');
      },
      compile: async (graph, batches, withBatch) => {
        if (!resume) batches.start(1);
        const bar = job.begin(`compiling stage ${stage.number}`, 1);
        const onProgress = (done: number, total: number) => bar.update(done / total);
        const compiled = await TrainingStep.compile(gpu, graph, { onProgress }).catch((error) => {
          throw withFittingBatch(error, settings.batch, withBatch, gpu.capabilities);
        });
        own({ destroy: () => compiled.destroy({ leaves: true }) });
        bar.end();
        return compiled;
      },
    });
    const preprocessor = own(await GpuPreprocessor.create(gpu, { size, batch: settings.batch }));
    const { dispatches, flops, total } = step.plan.describe();
    job.mark?.('compiled', { dispatches, flops, bytes: total, ...kernelWork(gpu) });
    const rates = schedule(settings, stage.baseBatch(settings));
    await train(
      job,
      folder,
      {
        ...trainable,
        label: `stage ${stage.number}: ${stage.doing}`,
        ...{ epochs: settings.epochs, batch: settings.batch, accumulate: settings.accumulate, flops },
        rate: (epoch) => cosineRate(rates, epoch),
        step: (batch, epoch, rate) => {
          preprocessor.submit(batch.images, leafBuffer(gpu, step.graph.images));
          trainable.feed(batch, epoch);
          step.run(rate);
        },
        losses: () => step.readLosses(),
        flush: async () => {
          await trainable.flush?.();
          await broken.flush();
        },
        inputs: { CLIP: await checkpoint.sha256(), ...trainable.inputs, ...data.inputs },
      },
      options,
    );
    const results = await trainable.results();
    await broken.flush();
    const title = `Stage ${stage.number}: the ${stage.kind}`;
    const report = await job.report?.({ title, adapter: gpu.adapter.name, ...(await folder.record()) });
    if (report !== undefined) await folder.write('report.html', report);
    for (const [name, content] of results) await folder.write(name, content);
    const summary = broken.summary();
    if (summary) job.note(summary);
  };
  const events = tensorboard ? await openEvents(job, platform.join(out, TENSORBOARD)) : undefined;
  await withRunFolder(platform, out, stage.kind, settings, { resume, events, note: job.note }, (folder) =>
    freeing((own) => work(folder, own)),
  );
}

/** Loads the library for event files only where they are asked for. */
async function openEvents({ platform, note }: Job, folder: string): Promise<EventFile> {
  const { EventFile } = await import('../../runs/tensorboard.js');
  return new EventFile(platform, folder, note);
}

/** The training images, as the settings order and crop them for a model whose input has an edge of `size` pixels. */
export const trainingLoader = (
  { platform }: Job,
  { items, skipped }: Pick<StageData, 'items' | 'skipped'>,
  { batch, seed, cropScale, cropSeed, accumulate, views }: Resolved,
  size: number,
): Loader =>
  new Loader(platform, items, {
    ...{ batch, seed, size, cropScale, cropSeed, skipped },
    augment: true,
    multiple: accumulate,
    ...(views > 0 && { views }),
  });
