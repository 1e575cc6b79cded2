/** What the stages of a training case share: its numbers, its models, and how tensors are compared by name. */
import { type Gpu, input, Plan, release, type Tensor, write } from '../../engine/index.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { type ClipModel, loadModel } from '../../models/clip/model.js';
import type { Job } from '../../models/job.js';
import { type Case, caseSettings, readCase } from './caseFile.js';
import { requireResolution } from './formats.js';
import { compareGroup, type VerifyItem } from './item.js';
import { ReferenceTensors } from './tensors.js';

/** A case with its models on a device. */
export class CaseContext {
  /** Of both stages, as the case gives them. */
  readonly settings: ReturnType<typeof caseSettings>;
  private done = 0;

  private constructor(
    readonly gpu: Gpu,
    readonly reference: Case,
    readonly tensors: ReferenceTensors,
    readonly teacher: ClipModel,
    readonly student: ClipModel,
    private readonly onProgress: (done: number, total: number) => void,
  ) {
    this.settings = caseSettings(reference, teacher.config, student.config);
  }

  /** Reads the case in `folder` and uploads its models. */
  static async open(
    { gpu, platform, precision }: Job,
    folder: string,
    onProgress: (done: number, total: number) => void,
  ): Promise<CaseContext> {
    const reference = await readCase(platform, folder);
    const tensors = await ReferenceTensors.open(platform, platform.join(folder, 'tensors.safetensors'));
    const checkpoint = (name: string) =>
      loadCheckpoint(platform, platform.join(folder, `${name}.safetensors`));
    const [teacher, student] = [await checkpoint('teacher'), await checkpoint('student')];
    // The method never uses the student's text tower, so a case need not have it.
    const text = student.config.text.width > 0;
    return new CaseContext(
      gpu,
      reference,
      tensors,
      await loadModel(gpu, teacher, { precision }),
      await loadModel(gpu, student, { precision, text }),
      onProgress,
    );
  }

  /** Called when a part of the work is done, or a share of one: two models, two plans, the steps and two ends. */
  advance(share = 1): void {
    const { stage1, stage2 } = this.reference;
    this.onProgress(this.done + share, 6 + stage1.steps + stage2.steps);
    if (share === 1) this.done++;
  }

  /** Runs `build` once on the images called `name`, for a model that takes them. */
  async onImages(name: string, model: ClipModel, build: (images: Tensor) => Tensor): Promise<Float32Array> {
    const shape = this.tensors.shape(name);
    requireResolution(model, shape);
    const images = input(shape, name);
    const output = build(images);
    const plan = await Plan.compile(this.gpu, { outputs: [output] });
    write(this.gpu, images, await this.tensors.floats(name));
    plan.run();
    const values = await plan.read(output);
    plan.destroy();
    release(this.gpu, images);
    return values;
  }

  /** Compares the tensors `prefix.name` of the reference with `read(i)` for the i-th name, as one group. */
  async compareAll(
    prefix: string,
    names: readonly string[],
    read: (index: number) => Promise<Float32Array>,
  ): Promise<VerifyItem[]> {
    const found = new Map<string, Float32Array>();
    const expected = new Map<string, Float32Array>();
    for (const [i, name] of names.entries()) {
      found.set(name, await read(i));
      expected.set(name, await this.tensors.floats(`${prefix}.${name}`));
    }
    return prefixed(prefix, compareGroup(found, expected));
  }

  /** Frees the models. */
  release(): void {
    this.teacher.release();
    this.student.release();
  }
}

/** |found - expected| / max(|expected|, floor) of single numbers. */
export const relative = (found: number, expected: number, floor = 0): number =>
  found === expected ? 0 : Math.abs(found - expected) / Math.max(Math.abs(expected), floor);

/** Items under names that begin with `prefix`. */
export const prefixed = (prefix: string, items: readonly VerifyItem[]): VerifyItem[] =>
  items.map((entry) => ({ ...entry, name: `${prefix}.${entry.name}` }));
