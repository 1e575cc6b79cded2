import { UserError } from '../../engine/errors.js';
import type { PreparedImage } from '../clip/preparedImage.js';
import type { Platform } from '../platform.js';
import { Random } from '../random.js';
import type { ImageItem } from './dataset.js';
import { type CropRule, type DecodedFile, type PreparedFile, prepareFile } from './prepare.js';

export interface LoaderOptions {
  readonly batch: number;
  readonly seed: number;
  /** Edge of the model's input in pixels. */
  readonly size: number;
  /** Edge of another model's input, for which the same crops are prepared too. */
  readonly otherSize?: number;
  /** Random crops and flips in random order; otherwise the test transform in the order given. */
  readonly augment: boolean;
  /** Leave out a last batch that is not full. Default: as `augment`. */
  readonly dropLast?: boolean;
  /** Bytes of decoded images to keep, default 512 MiB. */
  readonly cacheBytes?: number;
  /** Crops of an image repeat after this many epochs, so that what a frozen model says of them can be kept. */
  readonly views?: number;
  /** Smallest share of the image that a random crop covers, default 0.08. */
  readonly cropScale?: number;
  /** Decides the random crops, default `seed`: runs whose seeds differ can so share their crops. */
  readonly cropSeed?: number;
  /** Batches of an epoch are a multiple of this; what is left over is left out. Default 1. */
  readonly multiple?: number;
  /** Whether batches carry the hashes of their files. */
  readonly hash?: boolean;
}

export interface Batch {
  readonly images: readonly PreparedImage[];
  /** The same crops at `otherSize`. */
  readonly otherImages?: readonly PreparedImage[];
  readonly items: ImageItem[];
  /** Places of `items` in the list that the loader was given. */
  readonly indices: number[];
  /** SHA-256 of the files, where asked for. */
  readonly hashes?: readonly string[];
}

/** Decoded images that a worker should find ready when it is done with one. */
const AHEAD_PER_WORKER = 2;

/**
 * Batches of decoded images, cropped and ready to upload. Order and crops depend only on seeds, epoch and index, so an
 * epoch is the same whether or not the ones before it ran, and whoever decodes. The next batches are prepared while the
 * current one is used: in the platform's workers where it has some.
 */
export class Loader {
  readonly batchesPerEpoch: number;
  readonly #platform: Platform;
  readonly #items: readonly ImageItem[];
  readonly #options: LoaderOptions;
  readonly #cache = new Map<number, DecodedFile>();
  readonly #ahead: number;
  #cacheLeft: number;
  #started: { epoch: number; from: number; batches: Promise<Batch>[] } | undefined;

  /** @throws UserError when there is nothing to load, or less than one batch and `dropLast` */
  constructor(platform: Platform, items: readonly ImageItem[], options: LoaderOptions) {
    const { batch, augment, dropLast = augment, cacheBytes = 512 * 2 ** 20, multiple = 1 } = options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new UserError(`the batch size is ${batch}`, 'Give a whole number from 1.');
    if (items.length === 0)
      throw new UserError('there are no images to load', 'Check the data set and the classes.');
    if (dropLast && batch * multiple > items.length)
      throw new UserError(
        `a batch of ${batch}${multiple > 1 ? ` times ${multiple}` : ''} is larger than the data ` +
          `(${items.length} images)`,
        multiple > 1
          ? `Accumulate fewer batches, or make them smaller: ${items.length} images or less in all.`
          : `Set the batch size to ${items.length} or less, or add images.`,
      );
    this.#platform = platform;
    this.#items = items;
    this.#options = options;
    this.#cacheLeft = cacheBytes;
    this.#ahead = Math.max(1, Math.ceil((AHEAD_PER_WORKER * (platform.imageWorkers ?? 0)) / batch));
    this.batchesPerEpoch = dropLast
      ? Math.floor(items.length / (batch * multiple)) * multiple
      : Math.ceil(items.length / batch);
  }

  /** The same images in the same order and the same crops, with more prepared of them. */
  with(changes: Pick<LoaderOptions, 'otherSize' | 'hash'>): Loader {
    return new Loader(this.#platform, this.#items, { ...this.#options, ...changes });
  }

  /**
   * The batches of epoch `epoch` from index `from` on, the same ones as if those before had been asked for; decoding errors
   * are thrown when their batch is asked for.
   */
  async *epoch(epoch: number, from = 0): AsyncGenerator<Batch, void, undefined> {
    const order = this.#order(epoch);
    const before = this.#started;
    const started = before?.epoch === epoch && before.from === from ? before.batches : [];
    this.#started = undefined;
    for (let index = from; index < this.batchesPerEpoch; index++) {
      this.#fill(started, order, index, epoch);
      const batch = await started.shift()!;
      this.#fill(started, order, index + 1, epoch);
      yield batch;
    }
  }

  /** Begins with the batches that will be asked for next: those of an epoch from index `from` on. */
  start(epoch: number, from = 0): void {
    const batches: Promise<Batch>[] = [];
    this.#fill(batches, this.#order(epoch), from, epoch);
    this.#started = { epoch, from, batches };
  }

  /** Decodes what epoch `epoch` leaves out of its last batch, so that a file that is no image is found with the others. */
  async decodeLeftOut(epoch: number): Promise<void> {
    const order = this.#order(epoch);
    const used = this.batchesPerEpoch * this.#options.batch;
    await Promise.all(order.slice(used).map((index) => this.#prepare(index, epoch)));
  }

  /** Has the batches from `index` on under way, as many as are wanted ahead. */
  #fill(started: Promise<Batch>[], order: readonly number[], index: number, epoch: number): void {
    while (started.length < this.#ahead && index + started.length < this.batchesPerEpoch) {
      const batch = this.#load(order, index + started.length, epoch);
      // Handled when awaited; without this a consumer that stops early would leave an unhandled rejection.
      batch.catch(() => undefined);
      started.push(batch);
    }
  }

  #order(epoch: number): number[] {
    const order = this.#items.map((_, index) => index);
    if (this.#options.augment) Random.of(this.#options.seed, 'order', epoch).shuffle(order);
    return order;
  }

  async #load(order: readonly number[], batchIndex: number, epoch: number): Promise<Batch> {
    const { batch, otherSize, hash } = this.#options;
    const indices = order.slice(batchIndex * batch, (batchIndex + 1) * batch);
    const files = await Promise.all(indices.map((index) => this.#prepare(index, epoch)));
    return {
      images: files.map(({ images }) => images[0]),
      ...(otherSize !== undefined && { otherImages: files.map(({ images }) => images[1]) }),
      ...(hash && { hashes: files.map((file) => file.hash!) }),
      items: indices.map((index) => this.#items[index]),
      indices,
    };
  }

  #rule(index: number, epoch: number): CropRule {
    const { augment, seed, cropSeed = seed, views, cropScale } = this.#options;
    if (!augment) return { kind: 'test' };
    return {
      kind: 'random',
      seed: cropSeed,
      view: views === undefined ? epoch : epoch % views,
      index,
      scale: cropScale,
    };
  }

  async #prepare(index: number, epoch: number): Promise<PreparedFile> {
    const { size, otherSize, hash } = this.#options;
    const platform = this.#platform;
    const request = {
      path: this.#items[index].path,
      rule: this.#rule(index, epoch),
      sizes: otherSize === undefined ? [size] : [size, otherSize],
      decoded: this.#cache.get(index),
      keep: this.#cacheLeft > 0,
      hash,
    };
    const file = await (platform.prepareImage
      ? platform.prepareImage(request)
      : prepareFile(request, (path, hash) => platform.decodeImage(path, hash)));
    if (file.decoded && !this.#cache.has(index)) this.#keep(index, file.decoded);
    return file;
  }

  /** What fits first stays: every image is used once an epoch, so throwing the oldest out would never hit. */
  #keep(index: number, image: DecodedFile): void {
    if (image.data.length > this.#cacheLeft) this.#cacheLeft = 0;
    else {
      this.#cacheLeft -= image.data.length;
      this.#cache.set(index, image);
    }
  }
}
