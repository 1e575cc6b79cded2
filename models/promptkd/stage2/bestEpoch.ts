/** Keeps the best epoch of stage 2 where the settings ask for one (docs/method.md 3.9); the default is the last. */
import {
  copyLeaf,
  type Gpu,
  readLeaf,
  release,
  type Tensor,
  UserError,
  variable,
  write,
} from '../../../engine/index.js';
import type { Dataset } from '../../datasets/dataset.js';
import { ImageRunner } from '../../datasets/imageRunner.js';
import type { Job } from '../../job.js';
import type { Metrics } from '../../runs/lineFile.js';
import { argmax, baseCount } from '../shared/evaluate.js';
import type { StudentSettings } from '../shared/settings.js';
import { BATCH, type LabelledImages, rowsBetweenEpochs } from './betweenEpochs.js';

/** The images that decide between epochs. */
export interface DecidingImages extends LabelledImages {
  /** Only the first so many classes can be predicted. */
  readonly classes: number;
}

/**
 * The labelled images that `select` names: of the validation split or of the test set, of base or of all classes.
 *
 * @throws UserError when the data set has none
 */
export function decidingImages(
  data: Dataset,
  { select, selectClasses }: Pick<StudentSettings, 'select' | 'selectClasses'>,
): DecidingImages | undefined {
  if (select === 'last') return undefined;
  const [part, split] = select === 'val' ? [data.val, 'validation split'] : [data.test, 'test set'];
  const classes = selectClasses === 'all' ? data.classNames.length : baseCount(data.classNames.length);
  const items = (part ?? []).filter(({ label }) => label >= 0 && label < classes);
  if (items.length === 0)
    throw new UserError(
      `${data.name} has no ${split} with labels, which select: ${select} needs`,
      'keep the last epoch with --select last',
    );
  return {
    items,
    classes,
    name: `${selectClasses === 'base' ? 'base classes' : 'all classes'} of the ${split}`,
  };
}

/**
 * Right answers of `logits` `[labels, width]` among the first `classes` columns; the lowest of equal ones is taken. Rows in
 * `missing` do not count.
 */
export function countCorrect(
  logits: Float32Array,
  labels: readonly number[],
  width: number,
  classes: number,
  missing: ReadonlySet<number> = new Set(),
): number {
  return labels.filter(
    (label, i) => !missing.has(i) && argmax(logits, i * width, i * width + classes) === label,
  ).length;
}

/** The best epoch so far by accuracy, kept on the device. */
export class BestEpoch {
  /** Right answers and number of the best epoch; on the device with the rest, so that a saved state has it too. */
  private readonly record = variable(Float32Array.of(-1, 0), [2], 'best.record');
  private readonly best: readonly Tensor[];

  private constructor(
    private readonly gpu: Gpu,
    private readonly images: DecidingImages,
    private readonly variables: readonly Tensor[],
    private readonly runner: ImageRunner,
  ) {
    this.best = variables.map(({ size, shape, label }) =>
      variable(new Float32Array(size), shape, `best.${label}`),
    );
  }

  /**
   * @param size edge of the model's input
   * @param variables what is trained, and kept
   * @param logits records the graph of evaluation: `[batch, 3, size, size]` -> `[batch, classes]`, in label order
   */
  static async create(
    gpu: Gpu,
    images: DecidingImages,
    size: number,
    variables: readonly Tensor[],
    logits: (images: Tensor) => Tensor,
  ): Promise<BestEpoch> {
    return new BestEpoch(gpu, images, variables, await ImageRunner.create(gpu, size, BATCH, logits));
  }

  /** For the state of the run. */
  get state(): readonly Tensor[] {
    return [this.record, ...this.best];
  }

  /** Evaluates the present variables and keeps them if they are strictly better; returns a line for the metrics. */
  async consider(job: Job, epoch: number, note: (text: string) => void): Promise<Metrics> {
    const { items, classes } = this.images;
    const { rows, missing } = await rowsBetweenEpochs(job, this.runner, this.images, note);
    const labels = items.map(({ label }) => label);
    const correct = countCorrect(rows, labels, this.runner.width, classes, missing);
    const [most] = await readLeaf(this.gpu, this.record);
    if (correct > most!) {
      write(this.gpu, this.record, Float32Array.of(correct, epoch));
      this.variables.forEach((variable, i) => {
        copyLeaf(this.gpu, variable, this.best[i]!);
      });
    }
    return { epoch, selectionAccuracy: (100 * correct) / (items.length - missing.size) };
  }

  /** Puts the best epoch's values in the variables; says which it was. */
  async restore(job: Job): Promise<void> {
    const { items, name, skipped } = this.images;
    const [correct, epoch] = await readLeaf(this.gpu, this.record);
    this.variables.forEach((variable, i) => {
      copyLeaf(this.gpu, this.best[i]!, variable);
    });
    const readable = items.filter(({ path }) => !skipped?.has(path)).length;
    const accuracy = ((100 * correct!) / readable).toFixed(1);
    job.note(`kept epoch ${epoch}, the best on ${name}: ${accuracy} %`);
  }

  destroy(): void {
    this.runner.destroy();
    for (const tensor of this.state) release(this.gpu, tensor);
  }
}
