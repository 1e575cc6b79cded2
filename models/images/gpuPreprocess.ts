/** CLIP's image transform on the GPU: raw bytes in, normalised planes out, equal to Pillow (shaders/images/resample.wgsl). */
import {
  bindBuffers,
  checksOf,
  createStorage,
  freeStorage,
  type Gpu,
  getKernel,
  type Kernel,
  type KernelSource,
  observerOf,
  shaderKernel,
  submit,
  UserError,
} from '../../engine/index.js';
import { IMAGE_DEVIATION, IMAGE_MEAN } from './preprocess.js';
import { preprocessFault } from './preprocessFault.js';
import type { PreparedImage } from './types.js';

/** Words of `struct Image` in the shader, and the invocations of a workgroup along x and y. */
const IMAGE_WORDS = 9;
const GROUP = [32, 4] as const;

/** Sizes that a preprocessor is made for. */
export interface GpuPreprocessorOptions {
  /** Edge of the result in pixels. */
  readonly size: number;
  /** Most images in one call. */
  readonly batch: number;
  /** Pixels of an average crop that buffers are made for at the start; larger ones make them grow. */
  readonly maxPixels?: number;
}

/** The kernels of the two passes, for a result of `size` x `size` pixels: horizontal, then vertical. */
export function resampleKernels(size: number): { across: KernelSource; down: KernelSource } {
  const vector = (values: readonly number[]) => `vec3f(${values.join(', ')})`;
  const constants = { SIZE: `${size}u`, MEAN: vector(IMAGE_MEAN), DEVIATION: vector(IMAGE_DEVIATION) };
  const kernel = (entry: string) => shaderKernel('resample', entry, constants, { reads: 3, writes: 1 });
  return { across: kernel('across'), down: kernel('down') };
}

/**
 * Crops, resizes and normalises a batch with one dispatch a pass. Everything is made once; a steady-state call only
 * copies bytes. Buffers grow when images need more than was foreseen, which `growths` counts.
 */
export class GpuPreprocessor {
  private readonly size: number;
  private readonly batch: number;
  /** `struct Image` of each, on its way up. */
  private readonly header: Uint32Array<ArrayBuffer>;
  private readonly images: Growing;
  private readonly table: Growing;
  private readonly source: Growing;
  private readonly middle: Growing;
  private across: GPUBindGroup | undefined;
  private down = new WeakMap<GPUBuffer, GPUBindGroup>();
  private replaced = 0;

  private constructor(
    private readonly gpu: Gpu,
    private readonly kernels: { across: Kernel; down: Kernel },
    { size, batch, maxPixels = 512 * 512 }: GpuPreprocessorOptions,
  ) {
    this.size = size;
    this.batch = batch;
    // A guess that fits most: an edge of the crop, and weights for halving it.
    const edge = Math.ceil(Math.sqrt(maxPixels));
    const taps = Math.ceil(2 * Math.max(1, edge / size)) * 2 + 3;
    const limit = this.limit;
    this.header = new Uint32Array(batch * IMAGE_WORDS);
    this.images = new Growing(gpu, 'preprocess.images', batch * IMAGE_WORDS * 4);
    this.table = new Growing(gpu, 'preprocess.table', Math.min(limit, batch * 2 * size * taps * 4));
    this.source = new Growing(gpu, 'preprocess.source', Math.min(limit, batch * maxPixels * 3 + 8));
    this.middle = new Growing(gpu, 'preprocess.middle', Math.min(limit, batch * edge * size * 4));
  }

  /** Compiles both passes and makes the buffers. */
  static async create(gpu: Gpu, options: GpuPreprocessorOptions): Promise<GpuPreprocessor> {
    const { across, down } = resampleKernels(options.size);
    const made = await gpu.wait(Promise.all([getKernel(gpu, across), getKernel(gpu, down)]));
    const preprocessor = new GpuPreprocessor(gpu, { across: made[0], down: made[1] }, options);
    const fault = () => preprocessFault(gpu, preprocessor, options);
    observerOf(gpu)?.compiled([across, down]);
    await checksOf(gpu)?.tryOnce('the image transform', [across, down], fault);
    return preprocessor;
  }

  /** How many times a buffer had to be replaced by a larger one. */
  get growths(): number {
    return this.replaced;
  }

  /**
   * Submits the work for up to `batch` images; returns before the GPU has done it.
   *
   * @param target float32 `[batch, 3, size, size]`; images beyond those given are left as they are
   * @throws RangeError when an image is prepared for another size
   * @throws UserError when one image alone is larger than the adapter's buffers
   */
  submit(images: readonly PreparedImage[], target: GPUBuffer): void {
    if (images.length > this.batch)
      throw new RangeError(`${images.length} images for a batch of ${this.batch}`);
    for (const { crop } of images)
      if (crop.size !== this.size)
        throw new RangeError(`an image prepared for ${crop.size} pixels, not ${this.size}`);
    // Usually one group. Several only when the images together are larger than a buffer may be.
    for (const group of this.groups(images)) this.run(group, target);
  }

  /** Frees the buffers. */
  destroy(): void {
    for (const growing of [this.images, this.table, this.source, this.middle]) growing.destroy();
  }

  private get limit(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.device.limits;
    return Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 8) * 8;
  }

  private groups(images: readonly PreparedImage[]): Slot[][] {
    const groups: Slot[][] = [];
    let [source, table, middle] = [0, 0, 0];
    images.forEach((image, slot) => {
      const need = [image.source.length + 8, image.table.length * 4, image.rows * this.size * 4] as const;
      if (Math.max(...need) > this.limit)
        throw new UserError(
          `an image of ${image.width} x ${image.height} pixels is too large for this adapter`,
          `make it smaller: at most ${Math.floor(this.limit / 3e6)} megapixels`,
        );
      source += need[0];
      table += need[1];
      middle += need[2];
      if (groups.length === 0 || Math.max(source, table, middle) > this.limit) {
        groups.push([]);
        [source, table, middle] = need;
      }
      groups.at(-1)!.push({ image, slot });
    });
    return groups;
  }

  private run(group: readonly Slot[], target: GPUBuffer): void {
    const total = (of: (image: PreparedImage) => number) =>
      group.reduce((sum, { image }) => sum + of(image), 0);
    this.reserve(this.source, total((image) => image.source.length) + 8);
    this.reserve(this.table, total((image) => image.table.length) * 4);
    this.reserve(this.middle, total((image) => image.rows) * this.size * 4);
    this.fill(group);

    const columns = Math.ceil(this.size / GROUP[0]);
    const tallest = Math.max(...group.map(({ image }) => image.rows));
    const { across, down } = this.kernels;
    submit(this.gpu, [
      {
        name: 'resample.across',
        pipeline: across.pipeline,
        bindGroup: this.acrossGroup(),
        workgroups: [columns, Math.ceil(tallest / GROUP[1]), group.length],
      },
      {
        name: 'resample.down',
        pipeline: down.pipeline,
        bindGroup: this.downGroup(target),
        workgroups: [columns, Math.ceil(this.size / GROUP[1]), group.length],
      },
    ]);
  }

  /** Uploads each image from where it was prepared: the device's own copy is the only one. */
  private fill(group: readonly Slot[]): void {
    const { queue } = this.gpu.device;
    let [sourceAt, tableAt, middleAt] = [0, 0, 0];
    group.forEach(({ image, slot }, index) => {
      const { source, table, rows, columns, taps } = image;
      const downAt = tableAt + this.size * (taps.across + 2);
      this.header.set(
        [sourceAt, columns, rows, middleAt, tableAt, taps.across, downAt, taps.down, slot],
        index * IMAGE_WORDS,
      );
      queue.writeBuffer(this.source.buffer, sourceAt, source);
      queue.writeBuffer(this.table.buffer, tableAt * 4, table);
      sourceAt += source.length;
      tableAt += table.length;
      middleAt += rows * this.size;
    });
    queue.writeBuffer(this.images.buffer, 0, this.header, 0, group.length * IMAGE_WORDS);
  }

  private reserve(growing: Growing, bytes: number): void {
    if (bytes <= growing.bytes) return;
    growing.replace(Math.min(this.limit, Math.max(bytes, growing.bytes * 2)));
    this.replaced++;
    this.across = undefined;
    this.down = new WeakMap();
  }

  private acrossGroup(): GPUBindGroup {
    this.across ??= this.bind(this.kernels.across, this.source.buffer, this.middle.buffer);
    return this.across;
  }

  /** One bind group for each buffer that results go to; a training loop has one or two. */
  private downGroup(target: GPUBuffer): GPUBindGroup {
    let group = this.down.get(target);
    if (!group) {
      const size = this.batch * 3 * this.size ** 2 * 4;
      group = this.bind(this.kernels.down, this.middle.buffer, { buffer: target, size });
      this.down.set(target, group);
    }
    return group;
  }

  private bind(kernel: Kernel, input: GPUBuffer, output: GPUBuffer | GPUBufferBinding): GPUBindGroup {
    return bindBuffers(this.gpu, kernel, [this.images.buffer, this.table.buffer, input, output]);
  }
}

interface Slot {
  readonly image: PreparedImage;
  /** Its place in the batch. */
  readonly slot: number;
}

/** A storage buffer that a larger one may replace. */
class Growing {
  buffer: GPUBuffer;

  constructor(
    private readonly gpu: Gpu,
    private readonly label: string,
    bytes: number,
  ) {
    this.buffer = createStorage(gpu, bytes, label);
  }

  get bytes(): number {
    return this.buffer.size;
  }

  replace(bytes: number): void {
    this.destroy();
    this.buffer = createStorage(this.gpu, bytes, this.label);
  }

  destroy(): void {
    freeStorage(this.gpu, this.buffer);
  }
}
