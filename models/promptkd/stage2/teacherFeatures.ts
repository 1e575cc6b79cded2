/** Where stage 2 takes the teacher's image features from. */
import { leafBuffer, write } from '../../../engine/index.js';
import type { ImageItem } from '../../datasets/dataset.js';
import type { Batch } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import { GpuPreprocessor } from '../../images/gpuPreprocess.js';
import type { Job } from '../../job.js';
import { FixedCrops } from '../shared/fixedCrops.js';
import type { StudentSettings } from '../shared/settings.js';
import type { Teacher } from '../shared/teacher.js';
import { CachedTeacher, otherSizeOf } from './cachedTeacher.js';
import { type StudentGraph, type TeacherSource, teacherFeatureOrigin } from './step.js';

interface FeatureSettings
  extends Pick<StudentSettings, 'batch' | 'views' | 'seed' | 'cropSeed' | 'cropScale' | 'teacherCache'> {
  /** Edge of the student's input. */
  readonly size: number;
  /** Crops of the whole run. */
  readonly crops: number;
  /** The training loader's. */
  readonly skipped?: Skipped;
}

/** Feeds the step with the teacher's image features, or with images to compute them from. */
export interface TeacherFeatureSource {
  readonly source: TeacherSource;
  /** What the loader of the student's images must prepare for the teacher. */
  readonly needs: { readonly otherSize?: number; readonly hash?: boolean };
  /** What a batch needs before `feed`. */
  prepare?(batch: Batch): Promise<void>;
  /** Writes the step's `teacherInput`. */
  feed(graph: StudentGraph, batch: Batch, epoch: number): void;
  /** Writes new features to disk. */
  flush?(): Promise<void>;
  /** Notes at the end of a run how much was found on disk. */
  summary?(): void;
  destroy(): void;
}

/**
 * The features come from the teacher's image encoder in the step itself; or they are kept, from a pass over fixed crops before the
 * training or in a cache on disk, and the step has no teacher in it.
 */
export async function openTeacherFeatures(
  job: Job,
  teacher: Teacher,
  items: readonly ImageItem[],
  settings: FeatureSettings,
): Promise<TeacherFeatureSource> {
  switch (teacherFeatureOrigin(settings)) {
    case 'cache':
      // Also with fixed crops: whichever run computed a crop, it is found.
      return CachedTeacher.open(job, teacher, settings);
    case 'crops':
      return fromCrops(job, teacher, items, settings);
    case 'step':
      return fromStep(job, teacher, settings);
  }
}

async function fromStep(
  { gpu }: Job,
  teacher: Teacher,
  { batch, size }: FeatureSettings,
): Promise<TeacherFeatureSource> {
  const { model, prompts } = teacher;
  const needs = otherSizeOf(teacher, size);
  const preprocessor =
    needs.otherSize === undefined
      ? undefined
      : await GpuPreprocessor.create(gpu, { size: needs.otherSize, batch });
  return {
    source: { model, prompts: prompts.vision },
    needs,
    // The same boxes at the teacher's own resolution, where that is another.
    feed: (graph, { otherImages }) => preprocessor?.submit(otherImages!, leafBuffer(gpu, graph.teacherInput)),
    destroy: () => preprocessor?.destroy(),
  };
}

async function fromCrops(
  job: Job,
  { model, prompts }: Teacher,
  items: readonly ImageItem[],
  settings: FeatureSettings,
): Promise<TeacherFeatureSource> {
  const crops = await FixedCrops.compute(job, model, prompts.vision, items, {
    ...settings,
    label: "the teacher's image features",
  });
  return {
    source: { logitScale: model.logitScale },
    needs: {},
    feed: (graph, { indices }, epoch) => write(job.gpu, graph.teacherInput, crops.batch(epoch, indices)),
    destroy: () => {},
  };
}
