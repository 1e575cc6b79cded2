/** Device buffers of leaves: made on first use, shared by every plan that reads them. */
import { OutOfMemoryError } from '../errors.js';
import { dtypeOf, type HostData, type Tensor } from '../graph/tensor.js';
import { fromHalf, toHalf } from '../half.js';
import type { Gpu } from './gpu.js';
import { perDevice } from './perDevice.js';

/** STORAGE | COPY_SRC | COPY_DST as numbers: not every platform defines the global GPUBufferUsage. */
const USAGE = 0x80 | 0x4 | 0x8;

/** The buffers of leaves. */
const buffersOf = perDevice(() => new Map<Tensor, GPUBuffer>());

/** Rounded up to a multiple of 16, for vec4 arrays. */
const storageBytes = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);

/** A storage buffer of at least `bytes`. Give it back with `freeStorage`. */
export function createStorage(gpu: Gpu, bytes: number, label: string): GPUBuffer {
  const size = storageBytes(bytes);
  gpu.held += size;
  return gpu.device.createBuffer({ label, size, usage: USAGE });
}

/** Frees a buffer of `createStorage`. */
export function freeStorage(gpu: Gpu, buffer: GPUBuffer | undefined): void {
  if (!buffer) return;
  gpu.held -= buffer.size;
  buffer.destroy();
}

/** How many bytes of buffers of these sizes the device can allocate. Frees them again. */
export async function measureRoom(gpu: Gpu, sizes: Iterable<number>): Promise<number> {
  const made: GPUBuffer[] = [];
  let room = 0;
  try {
    for (const bytes of sizes) {
      const buffer = await gpu.scoped('a trial', () => {
        made.push(createStorage(gpu, bytes, 'a trial'));
        return made.at(-1)!;
      });
      room += buffer.size;
    }
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
  }
  for (const buffer of made) freeStorage(gpu, buffer);
  return room;
}

/** The leaves that have no buffer on the device yet. */
export const withoutBuffer = (gpu: Gpu, tensors: Iterable<Tensor>): Tensor[] =>
  [...tensors].filter((leaf) => !buffersOf(gpu).has(leaf));

/**
 * The buffer of a leaf, made (and filled with the leaf's data) if this is its first use on this device.
 *
 * @throws Error when `leaf` is the result of an operation
 */
export function leafBuffer(gpu: Gpu, leaf: Tensor): GPUBuffer {
  if (!leaf.leaf) throw new Error(`${leaf} is not a leaf`);
  const buffers = buffersOf(gpu);
  let buffer = buffers.get(leaf);
  if (!buffer) {
    buffer = createStorage(gpu, leaf.bytes, leaf.label);
    if (leaf.leaf.data) gpu.device.queue.writeBuffer(buffer, 0, leaf.leaf.data as GPUAllowSharedBufferSource);
    buffers.set(leaf, buffer);
  }
  return buffer;
}

/**
 * Fills a leaf from the host: exactly `leaf.size` values, row-major; float32 values of a float16 leaf are rounded. Ordered
 * with the steps around it.
 *
 * @throws Error when the number of values or their dtype is not that of the leaf
 */
export function write(gpu: Gpu, leaf: Tensor, data: HostData): void {
  if (data.length !== leaf.size) throw new Error(`${leaf}: ${data.length} values given`);
  const stored = leaf.dtype === 'f16' && data instanceof Float32Array ? toHalf(data) : data;
  if (dtypeOf(stored) !== leaf.dtype)
    throw new Error(`${leaf} is ${leaf.dtype}, and ${dtypeOf(data)} was given`);
  gpu.device.queue.writeBuffer(leafBuffer(gpu, leaf), 0, stored as GPUAllowSharedBufferSource);
}

/** Bytes of a tensor as numbers: int32 and float16 become float32. */
export function hostValues(tensor: Tensor, bytes: ArrayBuffer): Float32Array {
  if (tensor.dtype === 'f16') return fromHalf(new Uint16Array(bytes));
  return tensor.dtype === 'i32' ? Float32Array.from(new Int32Array(bytes)) : new Float32Array(bytes);
}

/**
 * Copies the current values of a leaf to another of the same size. Ordered with the steps around it.
 *
 * @throws Error when the sizes in bytes differ
 */
export function copyLeaf(gpu: Gpu, from: Tensor, to: Tensor): void {
  if (from.bytes !== to.bytes) throw new Error(`${from} does not fit into ${to}`);
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(leafBuffer(gpu, from), 0, leafBuffer(gpu, to), 0, from.bytes);
  gpu.device.queue.submit([encoder.finish()]);
}

/** Frees the device memory of a leaf. */
export function release(gpu: Gpu, leaf: Tensor): void {
  const buffers = buffersOf(gpu);
  freeStorage(gpu, buffers.get(leaf));
  buffers.delete(leaf);
}

/**
 * Frees the device memory of every leaf: between jobs that share a device but nothing on it. A leaf with data is uploaded
 * again when it is used; one without, such as a model's weight, is lost.
 */
export function releaseAll(gpu: Gpu): void {
  const buffers = buffersOf(gpu);
  for (const buffer of buffers.values()) freeStorage(gpu, buffer);
  buffers.clear();
}

/** Reads device buffers back; keeps its staging buffers, so that a steady loop creates none. */
export class Reader {
  private readonly free = new Map<number, GPUBuffer[]>();
  constructor(private readonly gpu: Gpu) {}

  /** Makes a staging buffer for reads of `bytes` ahead of time. */
  prepare(bytes: number): void {
    this.give(this.create(bytes));
  }

  private create(size: number): GPUBuffer {
    return this.gpu.device.createBuffer({
      label: 'staging',
      size,
      usage: 0x1 | 0x8 /* MAP_READ | COPY_DST */,
    });
  }

  private give(staging: GPUBuffer): void {
    const list = this.free.get(staging.size) ?? [];
    list.push(staging);
    this.free.set(staging.size, list);
  }

  /** Reads `bytes` of `buffer` after the work queued so far. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    return (await this.readTogether([{ buffer, bytes }]))[0]!;
  }

  /** Several buffers with one submission and one wait; `bytes` are multiples of 4. */
  async readTogether(sources: readonly { buffer: GPUBuffer; bytes: number }[]): Promise<ArrayBuffer[]> {
    const total = sources.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = this.free.get(total)?.pop() ?? this.create(total);
    const encoder = this.gpu.device.createCommandEncoder();
    let at = 0;
    for (const { buffer, bytes } of sources) {
      encoder.copyBufferToBuffer(buffer, 0, staging, at, bytes);
      at += bytes;
    }
    this.gpu.device.queue.submit([encoder.finish()]);
    await this.gpu.wait(staging.mapAsync(0x1 /* READ */));
    const mapped = staging.getMappedRange();
    let from = 0;
    const copies = sources.map(({ bytes }) => {
      from += bytes;
      return mapped.slice(from - bytes, from);
    });
    staging.unmap();
    this.give(staging);
    this.gpu.check();
    return copies;
  }

  /** Frees the staging buffers. */
  destroy(): void {
    for (const list of this.free.values()) for (const buffer of list) buffer.destroy();
    this.free.clear();
  }
}

/** The current values of a leaf on the device. */
export async function readLeaf(gpu: Gpu, leaf: Tensor): Promise<Float32Array> {
  const reader = new Reader(gpu);
  const bytes = await reader.read(leafBuffer(gpu, leaf), leaf.bytes);
  reader.destroy();
  return hostValues(leaf, bytes);
}
