import { UserError } from '../../engine/index.js';
import { prepareFile } from '../images/prepare.js';
import type {
  CropRule,
  DecodedFile,
  PreparedFile,
  PreparedImage,
  PrepareRequest,
  UseImage,
} from '../images/types.js';
import type { Platform } from '../platform.js';
import { Random } from '../random.js';
import type { ImageItem } from './dataset.js';
import { BrokenImage, type Skipped } from './skipped.js';

/** What a loader draws, prepares and caches. */
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
  /** Crops of an image repeat after this many epochs, so that a frozen model's features can be cached. */
  readonly views?: number;
  /** Smallest share of the image that a random crop covers, default 0.08. */
  readonly cropScale?: number;
  /** Decides the random crops, default `seed`: lets runs with different seeds share their crops. */
  readonly cropSeed?: number;
  /** Batches of an epoch are a multiple of this; what is left over is left out. Default 1. */
  readonly multiple?: number;
  /** Whether batches carry the hashes of their files. */
  readonly hash?: boolean;
  /** Collects broken images, which are then tolerated; without it the first one is an error. */
  readonly skipped?: Skipped;
}

/** Prepared images with what is known of them, all in the same order. */
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

/** The batches of an epoch, from index `from` on, that are being prepared. */
interface Preparation {
  readonly epoch: number;
  readonly from: number;
  readonly batches: Promise<Batch>[];
  /** Starts more batches, until as many as are wanted ahead are in preparation. */
  fill(): void;
}

/** Bytes of pixels that a batch may upload; a crop beyond its share is resized on the CPU. */
const SOURCE_BYTES = 256 * 2 ** 20;
/** Bounds of a crop's share: ordinary photographs go to the GPU, and no adapter refuses the buffer. */
const [LEAST_PART, LARGEST_PART] = [2 ** 20, 128 * 2 ** 20];

/** Files to prepare ahead per worker. */
const AHEAD_PER_WORKER = 2;

/**
 * Batches of decoded images, cropped and ready to upload. Order and crops depend only on seeds, epoch and index, so an
 * epoch is the same whether or not the ones before it ran, and whoever decodes. The next batches are prepared while the
 * current one is used: in the platform's workers where it has some.
 *
 * A broken image's place is taken by the next image of the epoch's order, from the end on to its beginning, that can be read
 * and is not in the batch already: the files alone decide, so that an epoch stays the same. In the order given (no `augment`)
 * nothing takes its place, and the batch is smaller.
 */
export class Loader {
  readonly batchesPerEpoch: number;
  private readonly cache = new Map<number, DecodedFile>();
  private readonly ahead: number;
  /** Places of images that are known to be broken. */
  private readonly broken = new Set<number>();
  private cacheLeft: number;
  private started: Preparation | undefined;

  /** @throws UserError when there is nothing to load, or less than one batch and `dropLast` */
  constructor(
    private readonly platform: Platform,
    private readonly items: readonly ImageItem[],
    private readonly options: LoaderOptions,
  ) {
    const { batch, augment, dropLast = augment, cacheBytes = 512 * 2 ** 20, multiple = 1 } = options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new UserError(`the batch size is ${batch}`, 'give a whole number from 1');
    if (items.length === 0)
      throw new UserError('there are no images to load', 'check the data set and the classes');
    if (dropLast && batch * multiple > items.length)
      throw new UserError(
        `a batch of ${batch}${multiple > 1 ? ` times ${multiple}` : ''} is larger than the data ` +
          `(${items.length} images)`,
        multiple > 1
          ? `accumulate fewer batches, or make them smaller: ${items.length} images or less in all`
          : `set the batch size to ${items.length} or less, or add images`,
      );
    this.cacheLeft = cacheBytes;
    this.ahead = Math.max(1, Math.ceil((AHEAD_PER_WORKER * (platform.imageWorkers ?? 0)) / batch));
    this.batchesPerEpoch = dropLast
      ? Math.floor(items.length / (batch * multiple)) * multiple
      : Math.ceil(items.length / batch);
  }

  /** The same images in the same order and the same crops, with more prepared of each or with the last batch too. */
  with(changes: Pick<LoaderOptions, 'otherSize' | 'hash' | 'dropLast'>): Loader {
    return new Loader(this.platform, this.items, { ...this.options, ...changes });
  }

  /**
   * The batches of epoch `epoch` from index `from` on, the same ones as if those before had been asked for; without those
   * of which nothing can be read. Errors are thrown when their batch is asked for.
   *
   * @param every gives one batch of so many, and decodes no others
   */
  async *epoch(epoch: number, from = 0, every = 1): AsyncGenerator<Batch, void, undefined> {
    const before = this.started;
    const fits = before?.epoch === epoch && before.from === from && every === 1;
    const { batches, fill } = fits ? before : this.prepareEpoch(epoch, from, every);
    this.started = undefined;
    for (;;) {
      const batch = await batches.shift();
      if (!batch) return;
      fill();
      if (batch.images.length > 0) yield batch;
    }
  }

  /** Starts preparing the batches that are requested next: those of an epoch from index `from` on. */
  start(epoch: number, from = 0): void {
    this.started = this.prepareEpoch(epoch, from, 1);
  }

  /** Decodes what epoch `epoch` leaves out of its last batch, so that a file that is no image is found with the others. */
  async decodeLeftOut(epoch: number): Promise<void> {
    const order = this.order(epoch);
    const used = this.batchesPerEpoch * this.options.batch;
    await Promise.all(order.slice(used).map((index) => this.read(index, epoch)));
  }

  private prepareEpoch(epoch: number, from: number, every: number): Preparation {
    const order = this.order(epoch);
    const batches: Promise<Batch>[] = [];
    let next = from;
    const fill = () => {
      for (; batches.length < this.ahead && next < this.batchesPerEpoch; next += every) {
        const batch = this.load(order, next, epoch);
        // Awaited later; prevents an unhandled rejection if the consumer stops early.
        batch.catch(() => undefined);
        batches.push(batch);
      }
    };
    fill();
    return { epoch, from, batches, fill };
  }

  private order(epoch: number): number[] {
    const order = this.items.map((_, index) => index);
    if (this.options.augment) Random.of(this.options.seed, 'order', epoch).shuffle(order);
    return order;
  }

  private async load(order: readonly number[], batchIndex: number, epoch: number): Promise<Batch> {
    const { batch, otherSize, hash, augment } = this.options;
    const first = batchIndex * batch;
    const wanted = order.slice(first, first + batch);
    const read = new Map<number, PreparedFile>();
    await Promise.all(
      wanted.map(async (index) => {
        const file = await this.read(index, epoch);
        if (file) read.set(index, file);
      }),
    );
    const indices: number[] = [];
    for (const [place, index] of wanted.entries())
      if (read.has(index)) indices.push(index);
      else if (augment) indices.push(await this.replacement(order, first + place, read, epoch));
    const files = indices.map((index) => read.get(index)!);
    return {
      images: files.map(({ images }) => images[0]!),
      ...(otherSize !== undefined && { otherImages: files.map(({ images }) => images[1]!) }),
      ...(hash && { hashes: files.map((file) => file.hash!) }),
      items: indices.map((index) => this.items[index]!),
      indices,
    };
  }

  /** What takes the place of the image at `broken` in the order; it is added to those `read` for the batch. */
  private async replacement(
    order: readonly number[],
    broken: number,
    read: Map<number, PreparedFile>,
    epoch: number,
  ): Promise<number> {
    let again: number | undefined;
    for (let step = 1; step < order.length; step++) {
      const index = order[(broken + step) % order.length]!;
      if (read.has(index)) again ??= index;
      else {
        const file = await this.read(index, epoch);
        if (!file) continue;
        read.set(index, file);
        return index;
      }
    }
    // Everything readable is in the batch already.
    if (again !== undefined) return again;
    throw new UserError('no image can be read', 'check the data set');
  }

  /** Undefined for a broken image, if those are tolerated. */
  private async read(index: number, epoch: number): Promise<PreparedFile | undefined> {
    if (this.broken.has(index)) return undefined;
    try {
      return await this.prepare(index, epoch);
    } catch (error) {
      const { skipped } = this.options;
      if (!skipped || !(error instanceof BrokenImage)) throw error;
      this.broken.add(index);
      skipped.add(error.path, error.reason);
      return undefined;
    }
  }

  private rule(index: number, epoch: number): CropRule {
    const { augment, seed, cropSeed = seed, views, cropScale } = this.options;
    if (!augment) return { kind: 'test' };
    const view = views === undefined ? epoch : epoch % views;
    return { kind: 'random', seed: cropSeed, view, index, scale: cropScale };
  }

  private async prepare(index: number, epoch: number): Promise<PreparedFile> {
    const { batch, size, otherSize, hash } = this.options;
    const { images, ...file } = await prepare(this.platform, {
      path: this.items[index]!.path,
      rule: this.rule(index, epoch),
      sizes: otherSize === undefined ? [size] : [size, otherSize],
      decoded: this.cache.get(index),
      keep: this.cacheLeft,
      sourceBytes: Math.min(LARGEST_PART, Math.max(LEAST_PART, Math.floor(SOURCE_BYTES / batch))),
      hash,
    });
    if (file.decoded && !this.cache.has(index)) this.keep(index, file.decoded);
    // Without the decoded image, which the batch would keep in memory.
    return { images, hash: file.hash };
  }

  /** Nothing is evicted: every image is used once an epoch, so evicting the oldest would never hit. */
  private keep(index: number, image: DecodedFile): void {
    if (image.data.length > this.cacheLeft) this.cacheLeft = 0;
    else {
      this.cacheLeft -= image.data.length;
      this.cache.set(index, image);
    }
  }
}

function prepare(platform: Platform, request: PrepareRequest): Promise<PreparedFile> {
  if (platform.prepareImage) return platform.prepareImage(request);
  const use: UseImage =
    platform.useImage ?? (async (path, hash, crop) => crop(await platform.decodeImage(path, hash)));
  return prepareFile(request, use);
}
