/** The part of a data set that stage 1 is tuned on. */
import { UserError } from '../../../engine/index.js';
import { baseNovelSplit, type Dataset, selectClasses } from '../../datasets/dataset.js';
import { sampleFewShot } from '../../datasets/fewShot.js';
import type { TeacherSettings } from '../shared/settings.js';

/** Labels of the classes that are tuned on, of `count` classes: the first half, the others, or all. */
export function tunedLabels(count: number, classes: TeacherSettings['classes']): readonly number[] {
  const { base, novel } = baseNovelSplit(count);
  return { base, novel, all: [...base, ...novel] }[classes];
}

/**
 * As in the reference, the few images of each class are drawn from all classes and the base ones chosen afterwards: the same
 * images for the same seed.
 *
 * @throws UserError when the images have no labels
 */
export function trainingPart(
  data: Dataset,
  { shots, seed, classes, data: path }: Pick<TeacherSettings, 'shots' | 'seed' | 'classes' | 'data'>,
): Dataset {
  if (data.classNames.length === 0)
    throw new UserError(
      `${path} has no labels, and stage 1 needs them`,
      'give a folder with one sub-folder a class',
    );
  const drawn = shots === 0 ? data : { ...data, ...sampleFewShot(data, shots, seed) };
  return classes === 'all' ? drawn : selectClasses(drawn, tunedLabels(data.classNames.length, classes));
}
