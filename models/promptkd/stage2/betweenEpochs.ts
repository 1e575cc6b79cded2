/** Looking at the student between the epochs of stage 2: labelled images through the present weights, while the run's bar is shown. */
import type { ImageItem } from '../../datasets/dataset.js';
import type { ImageRows, ImageRunner } from '../../datasets/imageRunner.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';

/** Images of one run of the graph. */
export const BATCH = 16;

/** Images with labels to look at. */
export interface LabelledImages {
  readonly items: readonly ImageItem[];
  /** For messages. */
  readonly name: string;
  /** Collects broken images among them, which then do not count. */
  readonly skipped?: Skipped;
}

/**
 * The rows of the images, in order.
 *
 * @param note shows a text at the run's bar
 */
export function rowsBetweenEpochs(
  job: Job,
  runner: ImageRunner,
  { items, name, skipped }: LabelledImages,
  note: (text: string) => void,
): Promise<ImageRows> {
  const begin: Job['begin'] = (_, total) => ({
    update: (done) => note(`evaluating ${done}/${total}`),
    end: () => {},
  });
  return runner.runAll({ ...job, begin }, items, name, skipped);
}
