/** Image features of a frozen encoder for a few fixed crops of each image, computed once and kept. */
import type { Tensor } from '../../../engine/index.js';
import type { ClipModel } from '../../clip/model.js';
import type { ImageItem } from '../../datasets/dataset.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import { Loader } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';
import { unitFeatures } from './logits.js';
import type { StudentSettings } from './settings.js';

/** Images of one run of the encoder. */
const BATCH = 16;

/** Which crops, as the training loader draws them. */
export interface FixedCropOptions extends Pick<StudentSettings, 'seed' | 'cropSeed' | 'views' | 'cropScale'> {
  /** Of the progress bar. */
  readonly label: string;
  /** The training loader's, which finds the same images broken and puts the same ones in their place. */
  readonly skipped?: Skipped;
}

/** Unit features by crop and image. */
export class FixedCrops {
  private constructor(
    /** Features of all images, by crop. */
    private readonly crops: readonly Float32Array[],
    private readonly width: number,
  ) {}

  /** Encodes the crops that a training loader with the same seed and number of views will draw. */
  static async compute(
    job: Job,
    model: ClipModel,
    prompts: readonly Tensor[],
    items: readonly ImageItem[],
    { seed, cropSeed, views, cropScale, label, skipped }: FixedCropOptions,
  ): Promise<FixedCrops> {
    const batch = Math.min(BATCH, items.length);
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, batch, (images) =>
      unitFeatures(model, prompts, images),
    );
    const loader = new Loader(job.platform, items, {
      ...{ batch, seed, cropSeed, views, cropScale, skipped },
      size: runner.size,
      augment: true,
      dropLast: false,
    });
    const bar = job.begin(label, items.length * views);
    const crops = Array.from({ length: views }, () => new Float32Array(items.length * runner.width));
    try {
      let done = 0;
      for (const [view, rows] of crops.entries())
        for await (const { length } of runner.fill(rows, loader, view)) {
          done += length;
          bar.update(done);
        }
    } finally {
      bar.end();
      runner.destroy({ leaves: true });
    }
    return new FixedCrops(crops, runner.width);
  }

  /** Features of a batch of epoch `epoch`, `[indices, embed]`. */
  batch(epoch: number, indices: readonly number[]): Float32Array {
    const rows = this.crops[epoch % this.crops.length]!;
    const batch = new Float32Array(indices.length * this.width);
    indices.forEach((index, i) => {
      batch.set(rows.subarray(index * this.width, (index + 1) * this.width), i * this.width);
    });
    return batch;
  }
}
