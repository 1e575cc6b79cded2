/** The images of a stage in training, as its settings order and crop them. */
import type { ImageItem } from '../../datasets/dataset.js';
import { Loader } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Platform } from '../../platform.js';
import type { StudentSettings } from './settings.js';

type LoadingSettings = Pick<StudentSettings, 'seed' | 'cropScale' | 'cropSeed' | 'accumulate' | 'views'> & {
  readonly batch: number;
};

/** @param size edge of the model's input in pixels */
export const trainingLoader = (
  platform: Platform,
  items: readonly ImageItem[],
  { batch, seed, cropScale, cropSeed, accumulate, views }: LoadingSettings,
  size: number,
  skipped: Skipped,
): Loader =>
  new Loader(platform, items, {
    ...{ batch, seed, size, cropScale, cropSeed, skipped },
    augment: true,
    multiple: accumulate,
    ...(views > 0 && { views }),
  });
