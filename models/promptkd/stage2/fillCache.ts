/**
 * Fills the teacher cache ahead of a training run, in shares that any number of processes compute at once.
 *
 * Share I of N has every N-th batch of the run, counted over all epochs. Batches depend on seeds and files alone, so processes agree on
 * the shares without talking. Shards of features appear whole under names of their own, so no process needs a lock.
 */
import { UserError } from '../../../engine/index.js';
import { loadCheckpoint } from '../../checkpoints/load.js';
import { checkImages } from '../../datasets/checkImages.js';
import { imageInputs } from '../../datasets/identity.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import type { Loader } from '../../datasets/loader.js';
import type { Job } from '../../job.js';
import type { Shard } from '../../runs/shard.js';
import { freeing, survivingLoss } from '../../runs/survival.js';
import { CHECKPOINT_MINUTES, type TrainOptions } from '../../runs/train.js';
import { loadTeacher } from '../files/loadTeacher.js';
import { resolveStudent } from '../shared/defaults.js';
import type { StudentSettings } from '../shared/settings.js';
import { trainingLoader } from '../shared/stageRun.js';
import { CachedTeacher } from './cachedTeacher.js';
import { cropCount, distillationImages } from './trainingImages.js';

/** Which part to compute, and how often what is new is written. */
export interface FillOptions extends TrainOptions {
  readonly shard: Shard;
}

/** What there is after a process has finished its share. */
export interface Filled {
  /** Crops of this share. */
  readonly crops: number;
  /** Crops of this share that the cache had before. */
  readonly found: number;
  /** Shares that no process has finished yet. */
  readonly missing: readonly number[];
}

/**
 * Computes a share of the teacher's image features that a run with these settings will take from its cache.
 *
 * @throws UserError when settings or files are wrong; Stopped when the user asks for it, with everything saved
 */
export const fillTeacherCache = (
  job: Job,
  settings: StudentSettings,
  options: FillOptions,
): Promise<Filled> =>
  survivingLoss(job, (now) => fillOnce({ ...now, precision: settings.precision }, settings, options));

async function fillOnce(
  job: Job,
  requested: StudentSettings,
  { shard, checkpointMinutes = CHECKPOINT_MINUTES }: FillOptions,
): Promise<Filled> {
  if (!requested.teacherCache)
    throw new UserError(
      '--fill-cache needs --teacher-cache',
      'give --teacher-cache FOLDER here and in the training run',
    );
  const { platform } = job;
  const { config } = await loadCheckpoint(platform, requested.clip);
  const settings = resolveStudent(requested, config);
  const dataset = await loadDataset(platform, settings.data, settings);
  for (const note of dataset.notes) job.note(note);
  const wanted = distillationImages(dataset, settings);
  const data = await checkImages(job, wanted, settings);
  const size = config.vision.resolution;
  const training = trainingLoader(job, data, settings, size);
  const crops = cropCount(training, data.items, settings);
  const { batch, accumulate, views, seed, cropSeed = seed, cropScale } = settings;

  return freeing(async (own) => {
    const teacher = await loadTeacher(job, settings.teacher, settings.teacherClip, {
      vision: false,
      text: false,
    });
    own({ destroy: () => teacher.model.release() });
    const cached = own(await CachedTeacher.open(job, teacher, { ...settings, size, crops }));
    // Crops that repeat are all there after the first epochs, if these leave no image out.
    const repeats = views > 0 && settings.epochs > views;
    const loader = training.with({ ...cached.needs, ...(repeats && { dropLast: false }) });
    const epochs = repeats ? views : settings.epochs;
    await computeShare(job, cached, loader, { epochs, shard, checkpointMinutes });
    const { asked, found } = cached.counts;
    job.note(
      `share ${shard.index} of ${shard.count}: ${asked} crops, ${asked - found} of them computed and ` +
        `${found} found in ${cached.folder}`,
    );
    const broken = data.skipped.summary();
    if (broken) job.note(broken);

    const plan = {
      ...(await imageInputs(platform, dataset, wanted)),
      ...{ batch, accumulate, epochs, repeats, seed, cropSeed, cropScale, views, size },
      shares: shard.count,
    };
    return { crops: asked, found, missing: await recordShare(job, cached.folder, plan, shard) };
  });
}

async function computeShare(
  job: Job,
  cached: CachedTeacher,
  loader: Loader,
  { epochs, shard, checkpointMinutes }: Required<FillOptions> & { readonly epochs: number },
): Promise<void> {
  const perEpoch = loader.batchesPerEpoch;
  const total = Math.ceil((epochs * perEpoch - (shard.index - 1)) / shard.count);
  const label = `the teacher's image features, share ${shard.index} of ${shard.count}`;
  job.stop?.begin();
  const bar = job.begin(label, Math.max(total, 0));
  let done = 0;
  let saved = performance.now();
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const before = (epoch - 1) * perEpoch;
      // The first batch of this epoch whose number, counted over all epochs, is the share's.
      const first = (shard.index - 1 - (before % shard.count) + shard.count) % shard.count;
      for await (const batch of loader.epoch(epoch, first, shard.count)) {
        await cached.prepare(batch);
        bar.update(++done);
        const stopping = job.stop?.requested === true;
        if (stopping || performance.now() - saved >= checkpointMinutes * 60_000) {
          await cached.flush();
          saved = performance.now();
        }
        if (stopping && done < total)
          throw job.stop!.stopped(
            `stopped after ${done} of ${total} batches; continue with the same command`,
          );
      }
    }
    await cached.flush();
  } finally {
    bar.end();
    job.stop?.end();
  }
}

/**
 * Notes on disk that a share is finished. The records only tell people what is missing: a run looks for the features themselves.
 *
 * @returns the shares without a record
 */
async function recordShare(
  { platform }: Job,
  cache: string,
  plan: Readonly<Record<string, string | number | boolean>>,
  { index, count }: Shard,
): Promise<number[]> {
  const text = `${JSON.stringify(plan, null, 2)}\n`;
  const hash = await platform.sha256Bytes(new TextEncoder().encode(text));
  const folder = platform.join(cache, 'shares', hash.slice(0, 16));
  await platform.write(platform.join(folder, `${index}-of-${count}.json`), text);
  const finished = new Set((await platform.list(folder)).map(({ name }) => name));
  return Array.from({ length: count }, (_, i) => i + 1).filter(
    (share) => !finished.has(`${share}-of-${count}.json`),
  );
}
