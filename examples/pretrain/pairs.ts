/** Batches of pairs: augmented drawings with captions, in an order that depends on seed and epoch alone. */
import { UserError } from '../../engine/index.js';
import { endOfText } from '../../models/clip/text.js';
import { Random } from '../../models/random.js';
import { randomView, render } from './augment.js';
import { type Captions, spoken, TEMPLATES } from './captions.js';
import type { Drawing } from './drawings.js';

/** A batch of pairs as the step takes it; images and `excluded` float32, the others int32. */
export interface PairBatch {
  /** `[batch, 3, size, size]`. */
  readonly images: Float32Array;
  /** `[batch, length]`. */
  readonly tokens: Int32Array;
  /** `[batch]`: rows of the end-of-text tokens in `[batch * length]`. */
  readonly endRows: Int32Array;
  /** `[batch, batch]`. */
  readonly excluded: Float32Array;
}

/** What pairs are drawn by; `size` in pixels. */
export interface PairOptions {
  readonly batch: number;
  readonly seed: number;
  readonly size: number;
  readonly nameShare: number;
  readonly cropEdge: number;
}

/** Low enough that its exponential is 0. */
const NEVER = -1e4;

/**
 * `[n, n]`: `NEVER` where caption j is true of drawing i though it is not its own, 0 elsewhere.
 *
 * @param subjects what each drawing shows, in the words of captions: its name, its class
 * @param said the subject of each caption
 */
export function exclusions(subjects: readonly (readonly string[])[], said: readonly string[]): Float32Array {
  const n = subjects.length;
  const result = new Float32Array(n * n);
  subjects.forEach((own, i) => {
    said.forEach((subject, j) => {
      if (i !== j && own.includes(subject)) result[i * n + j] = NEVER;
    });
  });
  return result;
}

/** The batches of a training run. */
export class Pairs {
  readonly batchesPerEpoch: number;
  /** What is trained on. */
  readonly drawings: readonly Drawing[];

  /** @param classNames by label */
  constructor(
    drawings: readonly Drawing[],
    private readonly classNames: readonly string[],
    private readonly captions: Captions,
    private readonly options: PairOptions,
  ) {
    // A name too long for a caption is never said; an emoji that has no class then has no caption.
    this.drawings = drawings.filter(({ name, label }) => label !== undefined || captions.has(spoken(name)));
    this.batchesPerEpoch = Math.floor(this.drawings.length / options.batch);
    if (this.batchesPerEpoch === 0)
      throw new UserError(
        `a batch of ${options.batch} is larger than the ${this.drawings.length} drawings`,
        'give a smaller --batch',
      );
  }

  /** Every drawing once, but for those that do not fill a batch; from batch `from` on. */
  async *epoch(epoch: number, from = 0): AsyncGenerator<PairBatch, void, undefined> {
    const { batch, seed } = this.options;
    const order = this.drawings.map((_, i) => i);
    Random.of(seed, 'order', epoch).shuffle(order);
    for (let b = from; b < this.batchesPerEpoch; b++)
      yield this.make(order.slice(b * batch, (b + 1) * batch), Random.of(seed, 'pairs', epoch, b));
  }

  private make(indices: readonly number[], random: Random): PairBatch {
    const { batch, size, nameShare, cropEdge } = this.options;
    const { length } = this.captions;
    const images = new Float32Array(batch * 3 * size * size);
    const tokens = new Int32Array(batch * length);
    const drawings = indices.map((i) => this.drawings[i]!);
    const subjects = drawings.map((drawing) => this.subjectsOf(drawing));
    const said: string[] = [];
    drawings.forEach(({ image }, i) => {
      const view = randomView(random, { size, ...image }, cropEdge);
      render(image, view, size, images, i * 3 * size * size);
      const [name, ofClass] = subjects[i]!;
      const byName = ofClass === undefined || (random.random() < nameShare && this.captions.has(name));
      const subject = byName ? name : ofClass;
      said.push(subject);
      tokens.set(this.captions.tokens(subject, random.below(TEMPLATES.length)), i * length);
    });
    const endRows = Int32Array.from(
      drawings,
      (_, i) => i * length + endOfText(tokens.subarray(i * length, (i + 1) * length)),
    );
    return { images, tokens, endRows, excluded: exclusions(subjects, said) };
  }

  /** What is true of a drawing: its name and, where it has one, its class. They may be one word. */
  private subjectsOf({
    name,
    label,
  }: Drawing): readonly [name: string] | readonly [name: string, ofClass: string] {
    return label === undefined ? [spoken(name)] : [spoken(name), this.classNames[label]!];
  }
}
