/** The images that stage 2 learns from. */
import { UserError } from '../../../engine/index.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { sampleFewShot } from '../../datasets/fewShot.js';
import type { Loader } from '../../datasets/loader.js';
import type { StudentSettings } from '../shared/settings.js';

/**
 * All training images, or some of each class: those that the reference draws as its few shots for the seed.
 *
 * @throws UserError when some of each class are wanted and the images have no labels
 */
export function distillationImages(
  { name, unlabelled, train: labelled }: Dataset,
  { imagesPerClass, seed }: Pick<StudentSettings, 'imagesPerClass' | 'seed'>,
): readonly ImageItem[] {
  if (imagesPerClass === 0) return unlabelled ?? labelled;
  if (unlabelled)
    throw new UserError(
      `the images of ${name} have no labels, so ${imagesPerClass} of each class cannot be drawn`,
      'leave imagesPerClass out and give fewer images, or sort them into class folders',
    );
  return sampleFewShot({ train: labelled }, imagesPerClass, seed).train;
}

/** Different crops that a run looks at, at most. */
export function cropCount(
  { batchesPerEpoch }: Loader,
  items: readonly ImageItem[],
  { batch, epochs, views }: Pick<StudentSettings, 'batch' | 'epochs' | 'views'>,
): number {
  const seen = batchesPerEpoch * batch * epochs;
  return views > 0 ? Math.min(seen, items.length * views) : seen;
}
