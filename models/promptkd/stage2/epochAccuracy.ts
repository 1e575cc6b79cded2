/** Accuracy on the test images between the epochs of stage 2, for the curves of reports. Training does not depend on it. */
import { type Gpu, type Tensor, UserError } from '../../../engine/index.js';
import type { Dataset } from '../../datasets/dataset.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import type { Job } from '../../job.js';
import type { Metrics } from '../../runs/lineFile.js';
import { accuracy } from '../shared/evaluate.js';
import type { StudentSettings } from '../shared/settings.js';
import { BATCH, type LabelledImages, rowsBetweenEpochs } from './betweenEpochs.js';

/**
 * The test images, if the settings ask for accuracies between epochs.
 *
 * @throws UserError when the data set has no labelled ones
 */
export function testImages(
  data: Dataset,
  { evalEvery }: Pick<StudentSettings, 'evalEvery'>,
): LabelledImages | undefined {
  if (evalEvery === undefined) return undefined;
  const items = data.test.filter(({ label }) => label >= 0);
  if (items.length === 0)
    throw new UserError(
      `${data.name} has no test images with labels, which evalEvery: ${evalEvery} needs`,
      'leave --eval-every out, or add test/<class>/ folders to the data set',
    );
  return { items, name: 'the test images' };
}

/** Measures base, novel, their harmonic mean and all classes (docs/method.md 3.9) after every n-th epoch and the last. */
export class EpochAccuracy {
  private constructor(
    private readonly images: LabelledImages,
    private readonly runner: ImageRunner,
    private readonly every: number,
    private readonly epochs: number,
  ) {}

  /**
   * @param size edge of the model's input
   * @param logits records the graph of evaluation: `[batch, 3, size, size]` -> `[batch, classes]`, in label order
   */
  static async create(
    gpu: Gpu,
    images: LabelledImages,
    size: number,
    { evalEvery = 1, epochs }: Pick<StudentSettings, 'evalEvery' | 'epochs'>,
    logits: (images: Tensor) => Tensor,
  ): Promise<EpochAccuracy> {
    return new EpochAccuracy(images, await ImageRunner.create(gpu, size, BATCH, logits), evalEvery, epochs);
  }

  /** The lines for the metrics after an epoch, counted from 1: percent, without those of a half that has no images. */
  async after(epoch: number, job: Job, note: (text: string) => void): Promise<Metrics[]> {
    if (epoch % this.every !== 0 && epoch !== this.epochs) return [];
    const { rows, missing } = await rowsBetweenEpochs(job, this.runner, this.images, note);
    const labels = this.images.items.map(({ label }) => label);
    const { base, novel, harmonicMean, all } = accuracy(rows, labels, this.runner.width, missing);
    const known = Object.entries({ base, novel, harmonicMean, all }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    return [{ epoch, ...Object.fromEntries(known) }];
  }

  destroy(): void {
    this.runner.destroy();
  }
}
