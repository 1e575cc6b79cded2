/** Runs a graph over any number of image files: decode, crop on the GPU, replay the plan, read the rows. */
import { type Gpu, input, leafBuffer, Plan, release, type Tensor, UserError } from '../../engine/index.js';
import { GpuPreprocessor } from '../images/gpuPreprocess.js';
import type { PreparedImage } from '../images/types.js';
import type { Job } from '../job.js';
import type { ImageItem } from './dataset.js';
import { Loader } from './loader.js';
import type { Skipped } from './skipped.js';

/** Rows of images by their places in a list, `[items, n]`. */
export interface ImageRows {
  /** NaN where the image is broken. */
  readonly rows: Float32Array;
  /** Places of the broken images. */
  readonly missing: ReadonlySet<number>;
}

/** A compiled graph of images, and the preprocessor that feeds it. */
export class ImageRunner {
  private constructor(
    private readonly gpu: Gpu,
    private readonly images: Tensor,
    private readonly output: Tensor,
    private readonly plan: Plan,
    private readonly preprocessor: GpuPreprocessor,
  ) {}

  /**
   * @param size edge of the model's input
   * @param build records the graph: images `[batch, 3, size, size]` -> rows `[batch, n]`
   */
  static async create(
    gpu: Gpu,
    size: number,
    batch: number,
    build: (images: Tensor) => Tensor,
  ): Promise<ImageRunner> {
    const images = input([batch, 3, size, size], 'images');
    const output = build(images);
    const plan = await Plan.compile(gpu, { outputs: [output] });
    return new ImageRunner(gpu, images, output, plan, await GpuPreprocessor.create(gpu, { size, batch }));
  }

  /** Images that run at once. */
  get batch(): number {
    return this.images.shape[0]!;
  }

  /** Edge of the model's input in pixels. */
  get size(): number {
    return this.images.shape[2]!;
  }
  /** Values of one row. */
  get width(): number {
    return this.output.shape[1]!;
  }

  /** Rows of up to `batch` images, `[images, n]`. */
  async run(images: readonly PreparedImage[]): Promise<Float32Array> {
    this.preprocessor.submit(images, leafBuffer(this.gpu, this.images));
    this.plan.run();
    const rows = await this.plan.read(this.output);
    return rows.subarray(0, images.length * this.width);
  }

  /**
   * Rows of the test transform of every item, in order.
   *
   * @param skipped collects broken images; without it the first one is an error
   */
  async runAll(job: Job, items: readonly ImageItem[], label: string, skipped?: Skipped): Promise<ImageRows> {
    const loader = new Loader(job.platform, items, {
      batch: this.batch,
      seed: 0,
      size: this.size,
      augment: false,
      // Every image is used once.
      cacheBytes: 0,
      skipped,
    });
    const rows = new Float32Array(items.length * this.width).fill(Number.NaN);
    const missing = new Set(items.keys());
    const bar = job.begin(label, items.length);
    try {
      for await (const indices of this.fill(rows, loader, 1)) {
        for (const index of indices) missing.delete(index);
        bar.update(items.length - missing.size);
      }
    } finally {
      bar.end();
    }
    return { rows, missing };
  }

  /** Writes the rows of an epoch of `loader` into `rows` by image index, and yields the indices of each batch. */
  async *fill(rows: Float32Array, loader: Loader, epoch: number): AsyncGenerator<readonly number[]> {
    for await (const { images, items, indices } of loader.epoch(epoch)) {
      const values = await this.run(images);
      refuseNotFinite(values, this.width, items);
      indices.forEach((index, i) => {
        rows.set(values.subarray(i * this.width, (i + 1) * this.width), index * this.width);
      });
      yield indices;
    }
  }

  /**
   * Frees the plan, the preprocessing and the images; not the weights that the graph uses.
   *
   * @param leaves also free other leaves that the graph was the first to use (see `Plan.destroy`)
   */
  destroy(options?: { readonly leaves?: boolean }): void {
    this.plan.destroy(options);
    this.preprocessor.destroy();
    release(this.gpu, this.images);
  }
}

/** Weights are finite when they are loaded, and yet what is computed with them may not be: float16 ends at 65504. */
function refuseNotFinite(rows: Float32Array, width: number, items: readonly ImageItem[]): void {
  const at = rows.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new UserError(
    `${items[Math.floor(at / width)]!.path}: the model's result for this image is ${rows[at]}`,
    'use --precision f32; if that does not help, the weights have left their range: train again with a lower learning rate',
  );
}
