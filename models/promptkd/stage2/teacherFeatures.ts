/** What a step of stage 2 sees of the teacher. */
import { leafBuffer, write } from '../../../engine/gpu/memory.js';
import type { ImageItem } from '../../datasets/dataset.js';
import type { Batch } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import { GpuPreprocessor } from '../../images/gpuPreprocess.js';
import type { Job } from '../../job.js';
import type { Teacher } from '../files/loadTeacher.js';
import { ViewFeatures } from '../shared/fixedCrops.js';
import { CachedTeacher } from './cachedTeacher.js';
import type { StudentStep, TeacherSource } from './step.js';

interface SupplySettings {
  readonly batch: number;
  readonly views: number;
  readonly seed: number;
  readonly cropSeed?: number;
  readonly cropScale: number;
  readonly teacherCache?: string | boolean;
  /** Edge of the student's input. */
  readonly size: number;
  /** Crops that the run will look at in all. */
  readonly crops: number;
  /** The training loader's. */
  readonly skipped?: Skipped;
}

/** Feeds the step with the teacher's view of each batch. */
export interface TeacherSupply {
  readonly source: TeacherSource;
  /** What the loader of the student's images must prepare for the teacher. */
  readonly needs: { readonly otherSize?: number; readonly hash?: boolean };
  /** What a batch needs before `fill`. */
  prepare?(batch: Batch): Promise<void>;
  fill(step: StudentStep, batch: Batch, epoch: number): void;
  /** Writes what was computed and is worth keeping. */
  flush?(): Promise<void>;
  /** Says at the end what is worth saying. */
  summary?(): void;
  destroy(): void;
}

/**
 * Its image encoder in the step itself; or features kept from an earlier pass over fixed views, or from earlier runs in a
 * cache on disk, with which the step does without the encoder.
 */
export async function openTeacherSupply(
  job: Job,
  teacher: Teacher,
  items: readonly ImageItem[],
  settings: SupplySettings,
): Promise<TeacherSupply> {
  const { resolution } = teacher.model.config.vision;
  const otherSize = resolution === settings.size ? {} : { otherSize: resolution };
  if (settings.teacherCache) return fromCache(job, teacher, settings.teacherCache, settings, otherSize);
  if (settings.views > 0) return fromViews(job, teacher, items, settings);
  return fromStep(job, teacher, settings, otherSize);
}

async function fromStep(
  { gpu }: Job,
  { model, prompts }: Teacher,
  { batch }: SupplySettings,
  needs: TeacherSupply['needs'],
): Promise<TeacherSupply> {
  const size = model.config.vision.resolution;
  const preprocessor = needs.otherSize && (await GpuPreprocessor.create(gpu, { size, batch }));
  return {
    source: { model, prompts: prompts.vision },
    needs,
    // The same boxes at the teacher's own resolution, where that is another.
    fill: ({ graph }, { otherImages }) => {
      if (preprocessor) preprocessor.submit(otherImages!, leafBuffer(gpu, graph.teacherInput));
    },
    destroy: () => {
      if (preprocessor) preprocessor.destroy();
    },
  };
}

async function fromViews(
  job: Job,
  { model, prompts }: Teacher,
  items: readonly ImageItem[],
  settings: SupplySettings,
): Promise<TeacherSupply> {
  const views = await ViewFeatures.compute(job, model, prompts.vision, items, {
    ...settings,
    batch: 16,
    label: "the teacher's image features",
  });
  return {
    source: { logitScale: model.logitScale },
    needs: {},
    fill: ({ graph }, { indices }, epoch) => write(job.gpu, graph.teacherInput, views.batch(epoch, indices)),
    destroy: () => {},
  };
}

/** Also with fixed views: a crop that comes again is found, whoever computed it. */
async function fromCache(
  job: Job,
  teacher: Teacher,
  folder: string | true,
  settings: SupplySettings,
  otherSize: TeacherSupply['needs'],
): Promise<TeacherSupply> {
  const cached = await CachedTeacher.open(job, teacher, folder, settings);
  return {
    source: { logitScale: teacher.model.logitScale },
    needs: { ...otherSize, hash: true },
    prepare: (batch) => cached.prepare(batch),
    fill: ({ graph }, batch) => write(job.gpu, graph.teacherInput, cached.of(batch)),
    flush: () => cached.flush(),
    summary: () => cached.summary(),
    destroy: () => cached.destroy(),
  };
}
