/** CLIP's image transform on the GPU: raw bytes in, normalised planes out, equal to Pillow (shaders/resample.wgsl). */
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu.js';
import { getKernel, type Kernel, type KernelSource } from '../../engine/kernel.js';
import { shaderSources } from '../../shaders/generated.js';
import { IMAGE_DEVIATION, IMAGE_MEAN } from './preprocess.js';
import { type CroppedImage, planJob, type ResampleJob, writeTable } from './resampleJob.js';

export type { CroppedImage };

/** Words of `struct Image` in the shader, and the invocations of a workgroup along x and y. */
const IMAGE_WORDS = 9;
const GROUP = [32, 4] as const;

export interface GpuPreprocessorOptions {
  /** Edge of the result in pixels. */
  readonly size: number;
  /** Most images in one call. */
  readonly batch: number;
  /** Pixels of an average crop that buffers are made for at the start; larger ones make them grow. */
  readonly maxPixels?: number;
}

/** The two passes' complete WGSL, for the pipeline cache and for tests that compile every shader. */
export function resampleKernels(size: number): { across: KernelSource; down: KernelSource } {
  const vector = (values: readonly number[]) => `vec3f(${values.join(', ')})`;
  const code = [
    `const SIZE = ${size}u;`,
    `const MEAN = ${vector(IMAGE_MEAN)};`,
    `const DEVIATION = ${vector(IMAGE_DEVIATION)};`,
    shaderSources.resample,
  ].join('\n');
  const kernel = (entry: string): KernelSource => ({
    name: `resample.${entry}`,
    code,
    entry,
    reads: 3,
    writes: 1,
  });
  return { across: kernel('across'), down: kernel('down') };
}

/**
 * Crops, resizes and normalises a batch with one dispatch a pass. Everything is made once; a steady-state call only
 * copies bytes. Buffers grow when images need more than was foreseen, which `growths` counts.
 */
export class GpuPreprocessor {
  readonly #gpu: Gpu;
  readonly #size: number;
  readonly #batch: number;
  readonly #kernels: { across: Kernel; down: Kernel };
  readonly #images: Staged;
  readonly #table: Staged;
  readonly #source: Staged;
  readonly #middle: Staged;
  #across: GPUBindGroup | undefined;
  #down = new WeakMap<GPUBuffer, Map<number, GPUBindGroup>>();
  #growths = 0;

  private constructor(gpu: Gpu, options: GpuPreprocessorOptions, kernels: { across: Kernel; down: Kernel }) {
    const { size, batch, maxPixels = 512 * 512 } = options;
    this.#gpu = gpu;
    this.#size = size;
    this.#batch = batch;
    this.#kernels = kernels;
    // A guess that fits most: an edge of the crop, and weights for halving it.
    const edge = Math.ceil(Math.sqrt(maxPixels));
    const taps = Math.ceil(2 * Math.max(1, edge / size)) * 2 + 3;
    const limit = this.#limit;
    this.#images = new Staged(gpu, 'preprocess.images', batch * IMAGE_WORDS * 4);
    this.#table = new Staged(gpu, 'preprocess.table', Math.min(limit, batch * 2 * size * taps * 4));
    this.#source = new Staged(gpu, 'preprocess.source', Math.min(limit, batch * maxPixels * 3 + 8));
    this.#middle = new Staged(gpu, 'preprocess.middle', Math.min(limit, batch * edge * size * 4), false);
  }

  /** Compiles both passes and makes the buffers. */
  static async create(gpu: Gpu, options: GpuPreprocessorOptions): Promise<GpuPreprocessor> {
    const { across, down } = resampleKernels(options.size);
    const kernels = { across: await getKernel(gpu, across), down: await getKernel(gpu, down) };
    return new GpuPreprocessor(gpu, options, kernels);
  }

  /** How many times a buffer had to be replaced by a larger one. */
  get growths(): number {
    return this.#growths;
  }

  /**
   * Submits the work for up to `batch` images; returns before the GPU has done it.
   *
   * @param target float32 `[batch, 3, size, size]` at `offset` bytes; images beyond those given are left as they are
   * @throws UserError when one image alone is larger than the adapter's buffers
   */
  submit(images: readonly CroppedImage[], target: GPUBuffer, offset = 0): void {
    if (images.length > this.#batch)
      throw new RangeError(`${images.length} images for a batch of ${this.#batch}`);
    const jobs = images.map(({ image, crop }, slot) => planJob(image, crop, slot, this.#size));
    // Usually one group. Several only when the images together are larger than a buffer may be.
    for (const group of this.#groups(jobs)) this.#run(group, target, offset);
  }

  destroy(): void {
    for (const staged of [this.#images, this.#table, this.#source, this.#middle]) staged.destroy();
  }

  get #limit(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#gpu.device.limits;
    return Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 8) * 8;
  }

  #groups(jobs: readonly ResampleJob[]): ResampleJob[][] {
    const groups: ResampleJob[][] = [];
    let [source, table, middle] = [0, 0, 0];
    for (const job of jobs) {
      const need = [job.sourceBytes + 8, job.tableWords * 4, job.rows.length * this.#size * 4] as const;
      if (Math.max(...need) > this.#limit)
        throw new UserError(
          `an image of ${job.image.width} x ${job.image.height} pixels is too large for this adapter`,
          `Make it smaller: at most ${Math.floor(this.#limit / 3e6)} megapixels.`,
        );
      source += need[0];
      table += need[1];
      middle += need[2];
      if (groups.length === 0 || Math.max(source, table, middle) > this.#limit) {
        groups.push([]);
        [source, table, middle] = need;
      }
      groups[groups.length - 1].push(job);
    }
    return groups;
  }

  #run(jobs: readonly ResampleJob[], target: GPUBuffer, offset: number): void {
    const total = (of: (job: ResampleJob) => number) => jobs.reduce((sum, job) => sum + of(job), 0);
    this.#reserve(this.#source, total((job) => job.sourceBytes) + 8);
    this.#reserve(this.#table, total((job) => job.tableWords) * 4);
    this.#reserve(this.#middle, total((job) => job.rows.length) * this.#size * 4);
    this.#fill(jobs);

    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const columns = Math.ceil(this.#size / GROUP[0]);
    const tallest = Math.max(...jobs.map((job) => job.rows.length));
    pass.setPipeline(this.#kernels.across.pipeline);
    pass.setBindGroup(0, this.#acrossGroup());
    pass.dispatchWorkgroups(columns, Math.ceil(tallest / GROUP[1]), jobs.length);
    pass.setPipeline(this.#kernels.down.pipeline);
    pass.setBindGroup(0, this.#downGroup(target, offset));
    pass.dispatchWorkgroups(columns, Math.ceil(this.#size / GROUP[1]), jobs.length);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  /** Copies what the jobs read into the staging memory, and that to the GPU. */
  #fill(jobs: readonly ResampleJob[]): void {
    const [images, table] = [new Uint32Array(this.#images.host), new Int32Array(this.#table.host)];
    const source = new Uint8Array(this.#source.host);
    let [sourceAt, tableAt, middleAt] = [0, 0, 0];
    for (const [index, { image, crop, slot, columns, rows, sourceBytes }] of jobs.entries()) {
      const downAt = tableAt + writeTable(columns, crop.flip, table, tableAt);
      images.set(
        [
          sourceAt,
          columns.length,
          rows.length,
          middleAt,
          tableAt,
          columns.table.taps,
          downAt,
          rows.table.taps,
          slot,
        ],
        index * IMAGE_WORDS,
      );
      tableAt = downAt + writeTable(rows, false, table, downAt);
      for (let y = 0; y < rows.length; y++) {
        const from = ((crop.top + rows.start + y) * image.width + crop.left + columns.start) * 3;
        source.set(image.data.subarray(from, from + columns.length * 3), sourceAt + y * columns.length * 3);
      }
      sourceAt += sourceBytes;
      middleAt += rows.length * this.#size;
    }
    this.#images.upload(jobs.length * IMAGE_WORDS * 4);
    this.#table.upload(tableAt * 4);
    this.#source.upload(sourceAt);
  }

  #reserve(staged: Staged, bytes: number): void {
    if (bytes <= staged.bytes) return;
    staged.replace(Math.min(this.#limit, Math.max(bytes, staged.bytes * 2)));
    this.#growths++;
    this.#across = undefined;
    this.#down = new WeakMap();
  }

  #acrossGroup(): GPUBindGroup {
    this.#across ??= this.#bind(this.#kernels.across, this.#source.buffer, { buffer: this.#middle.buffer });
    return this.#across;
  }

  /** One bind group for each place that results go to; a training loop has one or two. */
  #downGroup(target: GPUBuffer, offset: number): GPUBindGroup {
    const groups = this.#down.get(target) ?? new Map<number, GPUBindGroup>();
    this.#down.set(target, groups);
    let group = groups.get(offset);
    if (!group) {
      const size = this.#batch * 3 * this.#size ** 2 * 4;
      group = this.#bind(this.#kernels.down, this.#middle.buffer, { buffer: target, offset, size });
      groups.set(offset, group);
    }
    return group;
  }

  #bind(kernel: Kernel, input: GPUBuffer, output: GPUBufferBinding): GPUBindGroup {
    const resources = [this.#images.buffer, this.#table.buffer, input].map((buffer) => ({ buffer }));
    return this.#gpu.device.createBindGroup({
      layout: kernel.layout,
      entries: [...resources, output].map((resource, binding) => ({ binding, resource })),
    });
  }
}

/** A storage buffer and the host memory that is copied into it. */
class Staged {
  host: ArrayBuffer;
  buffer: GPUBuffer;

  constructor(
    private readonly gpu: Gpu,
    private readonly label: string,
    bytes: number,
    private readonly hasHost = true,
  ) {
    const size = Math.ceil(bytes / 8) * 8;
    this.host = new ArrayBuffer(hasHost ? size : 0);
    this.buffer = this.#create(size);
  }

  get bytes(): number {
    return this.buffer.size;
  }

  replace(bytes: number): void {
    const size = Math.ceil(bytes / 8) * 8;
    this.buffer.destroy();
    this.host = new ArrayBuffer(this.hasHost ? size : 0);
    this.buffer = this.#create(size);
  }

  upload(bytes: number): void {
    this.gpu.device.queue.writeBuffer(this.buffer, 0, this.host, 0, Math.ceil(bytes / 4) * 4);
  }

  destroy(): void {
    this.buffer.destroy();
  }

  #create(size: number): GPUBuffer {
    // 0x80: STORAGE, 0x08: COPY_DST; the named constants are globals that not every platform has.
    return this.gpu.device.createBuffer({ label: this.label, size, usage: 0x80 | 0x08 });
  }
}
