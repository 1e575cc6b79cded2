import { UserError } from '../../engine/errors.js';
import { type Crop, sampleTrainCrop, testCrop } from '../clip/preprocess.js';
import type { Platform, RgbImage } from '../platform.js';
import { Random } from '../random.js';
import type { ImageItem } from './dataset.js';

export interface LoaderOptions {
  readonly batch: number;
  readonly seed: number;
  /** Edge of the model's input in pixels. */
  readonly size: number;
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
}

export interface Batch {
  readonly images: { readonly image: RgbImage; readonly crop: Crop }[];
  readonly items: ImageItem[];
  /** Places of `items` in the list that the loader was given. */
  readonly indices: number[];
}

/**
 * Batches of decoded images with the crops to make of them. Order and crops depend only on seed, epoch and index, so an
 * epoch is the same whether or not the ones before it ran. The next batch is decoded while the current one is used.
 */
export class Loader {
  readonly batchesPerEpoch: number;
  readonly #platform: Platform;
  readonly #items: readonly ImageItem[];
  readonly #options: LoaderOptions;
  readonly #cache = new Map<number, RgbImage>();
  #cacheLeft: number;

  /** @throws UserError when there is nothing to load, or less than one batch and `dropLast` */
  constructor(platform: Platform, items: readonly ImageItem[], options: LoaderOptions) {
    const { batch, augment, dropLast = augment, cacheBytes = 512 * 2 ** 20 } = options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new UserError(`the batch size is ${batch}`, 'Give a whole number from 1.');
    if (items.length === 0)
      throw new UserError('there are no images to load', 'Check the data set and the classes.');
    if (dropLast && batch > items.length)
      throw new UserError(
        `a batch of ${batch} is larger than the data (${items.length} images)`,
        `Set the batch size to ${items.length} or less, or add images.`,
      );
    this.#platform = platform;
    this.#items = items;
    this.#options = options;
    this.#cacheLeft = cacheBytes;
    this.batchesPerEpoch = dropLast ? Math.floor(items.length / batch) : Math.ceil(items.length / batch);
  }

  /** The batches of epoch `epoch`; decoding errors are thrown when their batch is asked for. */
  async *epoch(epoch: number): AsyncGenerator<Batch, void, undefined> {
    const order = this.#order(epoch);
    let next = this.#load(order, 0, epoch);
    for (let index = 0; index < this.batchesPerEpoch; index++) {
      const batch = await next;
      if (index + 1 < this.batchesPerEpoch) next = this.#load(order, index + 1, epoch);
      // Handled when awaited; without this a consumer that stops early would leave an unhandled rejection.
      next.catch(() => undefined);
      yield batch;
    }
  }

  /** Decodes what epoch `epoch` leaves out of its last batch, so that a file that is no image is found with the others. */
  async decodeLeftOut(epoch: number): Promise<void> {
    const used = this.batchesPerEpoch * this.#options.batch;
    await Promise.all(
      this.#order(epoch)
        .slice(used)
        .map((index) => this.#decode(index)),
    );
  }

  #order(epoch: number): number[] {
    const order = this.#items.map((_, index) => index);
    if (this.#options.augment) Random.of(this.#options.seed, 'order', epoch).shuffle(order);
    return order;
  }

  async #load(order: readonly number[], batchIndex: number, epoch: number): Promise<Batch> {
    const { batch } = this.#options;
    const indices = order.slice(batchIndex * batch, (batchIndex + 1) * batch);
    const decoded = await Promise.all(indices.map((index) => this.#decode(index)));
    const images = decoded.map((image, i) => ({ image, crop: this.#crop(image, indices[i], epoch) }));
    return { images, items: indices.map((index) => this.#items[index]), indices };
  }

  #crop({ width, height }: RgbImage, index: number, epoch: number): Crop {
    const { augment, seed, size, views, cropScale } = this.#options;
    if (!augment) return testCrop(width, height, size);
    const view = views === undefined ? epoch : epoch % views;
    return sampleTrainCrop(Random.of(seed, 'crop', view, index), width, height, size, cropScale);
  }

  async #decode(index: number): Promise<RgbImage> {
    const cached = this.#cache.get(index);
    if (cached) return cached;
    const image = await this.#platform.decodeImage(this.#items[index].path);
    // What fits first stays: every image is used once an epoch, so throwing the oldest out would never hit.
    if (image.data.length <= this.#cacheLeft && !this.#cache.has(index)) {
      this.#cacheLeft -= image.data.length;
      this.#cache.set(index, image);
    }
    return image;
  }
}
