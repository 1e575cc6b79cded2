/** Zero-shot accuracy over the classes while the weights are still being trained: the plan reads the same variables. */
import { constant, type Gpu, matmul } from '../../engine/index.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { trimTokens } from '../../models/clip/text.js';
import type { Weights } from '../../models/clip/weights.js';
import { ImageRunner } from '../../models/datasets/imageRunner.js';
import { prepareImage } from '../../models/images/preparedImage.js';
import { testCrop } from '../../models/images/preprocess.js';
import { type Accuracy, accuracy } from '../../models/promptkd/shared/evaluate.js';
import type { Drawing } from './drawings.js';
import { imageFeatures, textFeatures } from './model.js';

/** Images of one run of the graph. */
const BATCH = 64;

/** Measures accuracy with the weights as they are. */
export class Evaluator {
  private constructor(
    private readonly runner: ImageRunner,
    private readonly classes: number,
  ) {}

  /** @param captions a token sequence `[contextLength]` a class, in label order */
  static async create(gpu: Gpu, weights: Weights, config: ClipConfig, captions: readonly Int32Array[]) {
    const { tokens, endRows, count, length } = trimTokens(captions);
    const runner = await ImageRunner.create(gpu, config.vision.resolution, BATCH, (images) =>
      matmul(
        imageFeatures(weights, config, images),
        textFeatures(weights, config, constant(tokens, [count, length]), constant(endRows, [count])),
        { transposeB: true },
      ),
    );
    return new Evaluator(runner, count);
  }

  /** Accuracy on drawings that have a class, under the test transform. */
  async accuracy(drawings: readonly Drawing[]): Promise<Accuracy> {
    const cosines = new Float32Array(drawings.length * this.classes);
    for (let from = 0; from < drawings.length; from += BATCH) {
      const images = drawings
        .slice(from, from + BATCH)
        .map(({ image }) => prepareImage(image, testCrop(image.width, image.height, this.runner.size)));
      cosines.set(await this.runner.run(images), from * this.classes);
    }
    return accuracy(
      cosines,
      drawings.map(({ label }) => label!),
      this.classes,
    );
  }

  destroy(): void {
    this.runner.destroy();
  }
}
