/** What a step of stage 2 sees of the teacher. */
import { leafBuffer, write } from '../../engine/memory.js';
import { GpuPreprocessor } from '../clip/gpuPreprocess.js';
import type { ClipModel } from '../clip/model.js';
import type { ImageItem } from '../datasets/dataset.js';
import type { Batch } from '../datasets/loader.js';
import type { Job } from '../job.js';
import type { Teacher } from './loadTeacher.js';
import type { StudentStep } from './student.js';
import { ViewFeatures } from './viewFeatures.js';

interface SupplySettings {
  readonly batch: number;
  readonly views: number;
  readonly seed: number;
  readonly cropSeed?: number;
  readonly cropScale: number;
  /** Edge of the student's input. */
  readonly size: number;
}

/** Feeds the step with the teacher's view of each batch: its images, or features kept from an earlier pass. */
export class TeacherSupply {
  private constructor(
    private readonly job: Job,
    private readonly model: ClipModel,
    private readonly prompts: Teacher['prompts']['vision'],
    private readonly views: ViewFeatures | undefined,
    private readonly preprocessor: GpuPreprocessor | undefined,
    private readonly size: number,
  ) {}

  static async create(
    job: Job,
    teacher: Teacher,
    items: readonly ImageItem[],
    settings: SupplySettings,
  ): Promise<TeacherSupply> {
    const { model } = teacher;
    const prompts = teacher.prompts.vision;
    if (settings.views === 0) {
      const size = model.config.vision.resolution;
      const preprocessor = await GpuPreprocessor.create(job.gpu, { size, batch: settings.batch });
      return new TeacherSupply(job, model, prompts, undefined, preprocessor, settings.size);
    }
    const views = await ViewFeatures.compute(job, model, prompts, items, {
      ...settings,
      batch: 16,
      label: "the teacher's image features",
    });
    return new TeacherSupply(job, model, prompts, views, undefined, settings.size);
  }

  get source() {
    return this.views ? { logitScale: this.model.logitScale } : { model: this.model, prompts: this.prompts };
  }

  /** What the loader of the student's images must prepare for the teacher. */
  get needs(): { otherSize?: number } {
    const { resolution } = this.model.config.vision;
    return this.views || resolution === this.size ? {} : { otherSize: resolution };
  }

  fill(step: StudentStep, batch: Batch, epoch: number): void {
    const { gpu } = this.job;
    if (this.views) write(gpu, step.graph.teacherInput, this.views.batch(epoch, batch.indices));
    else if (step.graph.teacherInput !== step.graph.images) {
      // The same boxes at the teacher's own resolution.
      this.preprocessor!.submit(batch.otherImages!, leafBuffer(gpu, step.graph.teacherInput));
    }
  }

  destroy(): void {
    this.preprocessor?.destroy();
  }
}
