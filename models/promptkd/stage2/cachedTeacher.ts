/** The teacher's image features from a cache on disk (`--teacher-cache`); its vision tower is loaded when one is missing. */
import { write } from '../../../engine/index.js';
import { loadModel } from '../../clip/model.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import type { Batch } from '../../datasets/loader.js';
import { PREPROCESSING } from '../../images/preparedImage.js';
import type { Crop } from '../../images/types.js';
import type { Job } from '../../job.js';
import { fixed, megabytes, percentage } from '../../numbers.js';
import { unitFeatures } from '../shared/logits.js';
import type { StudentSettings } from '../shared/settings.js';
import type { Teacher } from '../shared/teacher.js';
import { FeatureCache } from './featureCache.js';
import type { StudentGraph, TeacherSource } from './step.js';

/** A file's content and what is cut out of it. */
const keyOf = (hash: string, { left, top, width, height, flip }: Crop): string =>
  `${hash.slice(0, 32)} ${left} ${top} ${width} ${height} ${flip ? 'flipped' : 'upright'}`;

const sizeOf = (bytes: number) => `${megabytes(bytes, bytes < 1e6 ? 3 : 1)} MB`;

/** The teacher's own resolution, where the student's input of `size` pixels has another. */
export function otherSizeOf({ model }: Teacher, size: number): { readonly otherSize?: number } {
  const { resolution } = model.config.vision;
  return resolution === size ? {} : { otherSize: resolution };
}

/** The teacher's unit features of batches, from the cache or computed and kept there: a crop that comes again is found. */
export class CachedTeacher {
  private readonly features = new WeakMap<Batch, Float32Array>();
  private runner: Promise<ImageRunner> | undefined;
  private release: (() => void) | undefined;
  private asked = 0;
  private found = 0;

  private constructor(
    private readonly job: Job,
    private readonly teacher: Teacher,
    private readonly cache: FeatureCache,
    private readonly batch: number,
    private readonly size: number,
  ) {}

  /**
   * Opens the cache of what this teacher's features depend on.
   *
   * @param teacher its vision tower need not be loaded
   * @param options `teacherCache`: the cache's folder, or (true) the user's; `size`: edge of the student's input; `crops` that the
   *   run will look at in all, for the estimate
   */
  static async open(
    job: Job,
    teacher: Teacher,
    {
      teacherCache: folder,
      batch,
      size,
      crops,
    }: Pick<StudentSettings, 'teacherCache' | 'batch'> & { readonly size: number; readonly crops: number },
  ): Promise<CachedTeacher> {
    const { platform } = job;
    const { config } = teacher.model;
    const owner = {
      teacher: teacher.hash ?? 'not tuned',
      clip: teacher.clipHash,
      // What files beside the weights decide: the towers' sizes, the activation, LayerNorm's epsilon.
      vision: JSON.stringify([config.vision, config.activation, config.layerNormEps]),
      precision: job.precision ?? 'f32',
      activations: teacher.model.weights.activations,
      preprocessing: PREPROCESSING,
      decoder: platform.imageDecoder ?? 'unknown',
    };
    const root =
      typeof folder === 'string' ? folder : platform.join(platform.cacheFolder ?? '.', 'teacher-features');
    const cache = await FeatureCache.open(platform, root, owner, config.embed, job.note);
    // A key has some 60 bytes beside the features.
    const most = crops * (2 * config.embed + 60);
    job.note(
      `teacher cache: ${crops} crops of ${config.embed} float16 numbers, ${sizeOf(most)} at most; ` +
        `${cache.size} are kept in ${cache.folder}`,
    );
    return new CachedTeacher(job, teacher, cache, batch, size);
  }

  /** The step has no teacher in it. */
  get source(): TeacherSource {
    return { logitScale: this.teacher.model.logitScale };
  }

  /** What the loader of the student's images must prepare. */
  get needs() {
    return { ...otherSizeOf(this.teacher, this.size), hash: true };
  }

  /** Has the features of a batch ready: those that are missing are computed together and kept. */
  async prepare(batch: Batch): Promise<void> {
    const { cache } = this;
    const images = batch.otherImages ?? batch.images;
    const keys = images.map(({ crop }, i) => keyOf(batch.hashes![i]!, crop));
    const missing = keys.flatMap((key, i) => (cache.has(key) ? [] : [i]));
    this.asked += keys.length;
    this.found += keys.length - missing.length;
    if (missing.length > 0) {
      this.runner ??= this.load();
      const runner = await this.runner;
      const rows = await runner.run(missing.map((i) => images[i]!));
      missing.forEach((i, row) => {
        cache.add(keys[i]!, rows.subarray(row * runner.width, (row + 1) * runner.width));
      });
      await cache.flushLarge();
    }
    this.features.set(batch, await cache.rows(keys));
  }

  /** Writes the unit features of a batch that is prepared, `[batch, embed]`. */
  feed(graph: StudentGraph, batch: Batch): void {
    write(this.job.gpu, graph.teacherInput, this.features.get(batch)!);
  }

  /** Crops that were asked for, and how many of them the cache had. */
  get counts(): { readonly asked: number; readonly found: number } {
    return { asked: this.asked, found: this.found };
  }

  /** Where the cache keeps what this teacher has computed. */
  get folder(): string {
    return this.cache.folder;
  }

  /** Writes what is not on disk yet. */
  flush(): Promise<void> {
    return this.cache.flush();
  }

  /** A line about how much the cache had. */
  summary(): void {
    const share = percentage(this.found, this.asked) ?? 100;
    this.job.note(
      `teacher cache: ${fixed(share, share === 100 ? 0 : 1)} % hits (${this.found} of ${this.asked}), ` +
        `${sizeOf(this.cache.bytes)} in ${this.cache.folder}`,
    );
  }

  /** Frees the plan and the vision tower, where they were needed. */
  destroy(): void {
    const free = (runner: ImageRunner | undefined) => {
      runner?.destroy({ leaves: true });
      this.release?.();
    };
    if (this.runner) this.runner.then(free, () => free(undefined));
  }

  private async load(): Promise<ImageRunner> {
    const { job, teacher } = this;
    const { gpu, precision } = job;
    const model = await loadModel(gpu, teacher.model.checkpoint, { text: false, precision });
    this.release = model.release;
    return ImageRunner.create(gpu, model.config.vision.resolution, this.batch, (images) =>
      unitFeatures(model, teacher.prompts.vision, images),
    );
  }
}
