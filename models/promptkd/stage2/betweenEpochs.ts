/** Evaluates the student between the epochs of stage 2: labelled images through the present weights, while the run's bar is shown. */
import { type Gpu, type Tensor, UserError } from '../../../engine/index.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';
import type { Metrics } from '../../runs/lineFile.js';
import { accuracy } from '../shared/evaluate.js';
import type { StudentSettings } from '../shared/settings.js';
import type { BestEpoch } from './bestEpoch.js';

/** Images of one run of the graph. */
const BATCH = 16;

/**
 * The test images, if the settings ask for accuracies between epochs.
 *
 * @throws UserError when the data set has no labelled ones
 */
export function testImages(
  data: Dataset,
  { evalEvery }: Pick<StudentSettings, 'evalEvery'>,
): readonly ImageItem[] | undefined {
  if (evalEvery === undefined) return undefined;
  const items = data.test.filter(({ label }) => label >= 0);
  if (items.length === 0)
    throw new UserError(
      `${data.name} has no test images with labels, which evalEvery: ${evalEvery} needs`,
      'leave --eval-every out, or add test/<class>/ folders to the data set',
    );
  return items;
}

/** What is evaluated, and when. */
export interface EvaluationOptions extends Pick<StudentSettings, 'evalEvery' | 'epochs'> {
  /** For the curves of reports, after every n-th epoch and the last; training does not depend on it. */
  readonly test?: readonly ImageItem[];
  /** Decides after every epoch whether to keep it. */
  readonly best?: BestEpoch;
  /** Collects broken images, which then do not count. */
  readonly skipped?: Skipped;
}

/** Lines for the metrics of an epoch. */
export interface EpochLines {
  readonly test?: Metrics;
  readonly selection?: Metrics;
}

/** Evaluates the student: an image that is a test image and decides between epochs is classified once. */
export class EpochEvaluator {
  private constructor(
    private readonly runner: ImageRunner,
    private readonly options: EvaluationOptions,
  ) {}

  /**
   * @param size edge of the model's input
   * @param logits records the graph of evaluation: `[batch, 3, size, size]` -> `[batch, classes]`, in label order
   */
  static async create(
    gpu: Gpu,
    size: number,
    logits: (images: Tensor) => Tensor,
    options: EvaluationOptions,
  ): Promise<EpochEvaluator> {
    return new EpochEvaluator(await ImageRunner.create(gpu, size, BATCH, logits), options);
  }

  /**
   * Evaluates the student after an epoch, counted from 1.
   *
   * @param note shows a text at the run's bar
   */
  async after(epoch: number, job: Job, note: (text: string) => void): Promise<EpochLines> {
    const { evalEvery = 1, epochs, best, skipped } = this.options;
    const test = epoch % evalEvery === 0 || epoch === epochs ? this.options.test : undefined;
    if (!test && !best) return {};
    // The test images come first, so that their rows do.
    const items = [...new Set([...(test ?? []), ...(best?.images.items ?? [])])];
    const begin: Job['begin'] = (_, total) => ({
      update: (done) => note(`evaluating ${done}/${total}`),
      end: () => {},
    });
    const { rows, missing } = await this.runner.runAll({ ...job, begin }, items, 'evaluating', skipped);
    const { width } = this.runner;
    const row = (i: number) => rows.subarray(i * width, (i + 1) * width);
    const logits = new Map(items.flatMap((item, i) => (missing.has(i) ? [] : [[item, row(i)] as const])));
    return {
      test: test && { epoch, ...inPercent(rows, test, width, missing) },
      selection: await best?.consider(epoch, logits),
    };
  }

  /** Frees the plan that evaluates. */
  destroy(): void {
    this.runner.destroy({ leaves: true });
  }
}

/** Base, novel, their harmonic mean and all classes (docs/method.md 3.9), without those of a half that has no images. */
function inPercent(
  logits: Float32Array,
  items: readonly ImageItem[],
  classes: number,
  missing: ReadonlySet<number>,
): Metrics {
  const labels = items.map(({ label }) => label);
  const { images: _, ...found } = accuracy(logits, labels, classes, missing);
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
