/** The classes that a plan is made for. */
import { UserError } from '../../../engine/index.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import type { Platform } from '../../platform.js';
import type { PlannedSettings, StudentSettings } from './settings.js';

/**
 * The class names of the data that settings name.
 *
 * @throws UserError when they name none, or its images have no labels
 */
export async function classNamesOf(
  platform: Platform,
  { data, ...options }: PlannedSettings<Pick<StudentSettings, 'data' | 'dataset' | 'allowOutside'>>,
): Promise<readonly string[]> {
  if (data !== undefined) {
    const { classNames } = await loadDataset(platform, data, options);
    if (classNames.length > 0) return classNames;
  }
  throw new UserError('the number of classes is not known', 'give it: --dry-run 1000, or --data FOLDER');
}
