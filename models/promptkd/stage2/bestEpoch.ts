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
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';
import { fixed, percentage } from '../../numbers.js';
import type { Metrics } from '../../runs/lineFile.js';
import { argmax, baseCount } from '../shared/evaluate.js';
import type { StudentSettings } from '../shared/settings.js';

/** The images that decide between epochs. */
export interface DecidingImages {
  readonly items: readonly ImageItem[];
  /** Only the first so many classes can be predicted. */
  readonly classes: number;
  /** For messages. */
  readonly name: string;
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

/** Logits by image, `[classes]` each in label order; without broken images. */
export type LogitsByImage = ReadonlyMap<ImageItem, ArrayLike<number>>;

/** How many of the images get their own class among the first `classes`; the lowest of equal ones is taken. */
export const countCorrect = (
  { items, classes }: Omit<DecidingImages, 'name'>,
  logits: LogitsByImage,
): number =>
  items.filter((item) => logits.has(item) && argmax(logits.get(item)!, 0, classes) === item.label).length;

/** The best epoch so far by accuracy, kept on the device. */
export class BestEpoch {
  /** Right answers and number of the best epoch; on the device with the rest, so that a saved state has it too. */
  private readonly record = variable(Float32Array.of(-1, 0), [2], 'best.record');
  private readonly best: readonly Tensor[];

  /**
   * @param variables what is trained, and kept
   * @param skipped broken images, which do not count
   */
  constructor(
    private readonly gpu: Gpu,
    readonly images: DecidingImages,
    private readonly variables: readonly Tensor[],
    private readonly skipped?: Skipped,
  ) {
    this.best = variables.map(({ size, shape, label }) =>
      variable(new Float32Array(size), shape, `best.${label}`),
    );
  }

  /** For the state of the run. */
  get state(): readonly Tensor[] {
    return [this.record, ...this.best];
  }

  /** Keeps the present variables if what they give is strictly better; returns a line for the metrics. */
  async consider(epoch: number, logits: LogitsByImage): Promise<Metrics> {
    const correct = countCorrect(this.images, logits);
    const [most] = await readLeaf(this.gpu, this.record);
    if (correct > most!) {
      write(this.gpu, this.record, Float32Array.of(correct, epoch));
      this.variables.forEach((variable, i) => {
        copyLeaf(this.gpu, variable, this.best[i]!);
      });
    }
    const seen = this.images.items.filter((item) => logits.has(item)).length;
    return { epoch, selectionAccuracy: percentage(correct, seen) ?? 0 };
  }

  /** Puts the best epoch's values in the variables; says which it was. */
  async restore(job: Job): Promise<void> {
    const { items, name } = this.images;
    const [correct, epoch] = await readLeaf(this.gpu, this.record);
    this.variables.forEach((variable, i) => {
      copyLeaf(this.gpu, this.best[i]!, variable);
    });
    const readable = items.filter(({ path }) => !this.skipped?.has(path)).length;
    const accuracy = fixed(percentage(correct!, readable));
    job.note(`kept epoch ${epoch}, the best on ${name}: ${accuracy} %`);
  }

  /** Frees the kept values and the record; not the variables. */
  destroy(): void {
    for (const tensor of this.state) release(this.gpu, tensor);
  }
}
