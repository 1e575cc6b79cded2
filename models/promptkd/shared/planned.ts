/** What both stages plan from shapes alone: without weights, and for a published model without its files. */
import { type Capabilities, type PlanRequest, UserError } from '../../../engine/index.js';
import { loadCheckpoint } from '../../checkpoints/load.js';
import type { ClipConfig } from '../../clip/config.js';
import { isKnownModel, KNOWN_MODELS } from '../../clip/knownModels.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import type { Platform } from '../../platform.js';
import type { PlannedSettings, StudentSettings } from './settings.js';

/** A step that is planned and not run. */
export interface PlannedStep {
  readonly request: PlanRequest;
  /** Classes that it tells apart. */
  readonly classes: number;
}

/** What settings do not say of a step that is planned. */
export interface PlanOptions {
  /** Classes of the data set, in place of those that its files name. */
  readonly count?: number;
  /** Of the adapter, which decides how activations are stored (default: one without tensor cores). */
  readonly capabilities?: Capabilities;
}

/** What settings do not say about the size of a step. */
export interface StepSizes extends Pick<PlanOptions, 'capabilities'> {
  /** Classes that the step tells apart. */
  readonly classes: number;
}

/** The architecture of a published model by its name, or of the checkpoint at that path. */
export const readArchitecture = async (platform: Platform, clip: string): Promise<ClipConfig> =>
  isKnownModel(clip) ? KNOWN_MODELS[clip] : (await loadCheckpoint(platform, clip)).config;

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
