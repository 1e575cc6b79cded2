/** Image features of a frozen encoder for a few fixed crops of each image, computed once and kept. */

import type { Tensor } from '../../../engine/graph/tensor.js';
import { l2Normalize } from '../../../engine/ops/l2Normalize.js';
import type { ClipModel } from '../../clip/model.js';
import { encodeImages } from '../../clip/vision.js';
import type { ImageItem } from '../../datasets/dataset.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import { Loader } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';

/** Unit features by view and image. */
export class ViewFeatures {
  private constructor(
    private readonly rows: readonly Float32Array[],
    private readonly width: number,
  ) {}

  /** Encodes the crops that a training loader with the same seed and number of views will draw. */
  static async compute(
    job: Job,
    model: ClipModel,
    prompts: readonly Tensor[],
    items: readonly ImageItem[],
    options: {
      readonly seed: number;
      readonly cropSeed?: number;
      readonly views: number;
      readonly cropScale: number;
      readonly batch: number;
      readonly label: string;
      /** The training loader's, which finds the same images broken and puts the same ones in their place. */
      readonly skipped?: Skipped;
    },
  ): Promise<ViewFeatures> {
    const { seed, cropSeed, views, cropScale, label, skipped } = options;
    const batch = Math.min(options.batch, items.length);
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, batch, (images) =>
      l2Normalize(encodeImages(model.weights, model.config, images, prompts)),
    );
    const loader = new Loader(job.platform, items, {
      batch,
      seed,
      cropSeed,
      views,
      cropScale,
      size: runner.size,
      augment: true,
      dropLast: false,
      skipped,
    });
    const bar = job.begin(label, items.length * views);
    const rows: Float32Array[] = [];
    try {
      let done = 0;
      for (let view = 0; view < views; view++) {
        rows.push(new Float32Array(items.length * runner.width));
        done = await runner.fill(loader, view, rows[view]!, done, bar);
      }
    } finally {
      bar.end();
      runner.destroy();
    }
    return new ViewFeatures(rows, runner.width);
  }

  /** Features of a batch of epoch `epoch`, `[indices, embed]`. */
  batch(epoch: number, indices: readonly number[]): Float32Array {
    const view = this.rows[epoch % this.rows.length]!;
    const batch = new Float32Array(indices.length * this.width);
    indices.forEach((index, i) => {
      batch.set(view.subarray(index * this.width, (index + 1) * this.width), i * this.width);
    });
    return batch;
  }
}
