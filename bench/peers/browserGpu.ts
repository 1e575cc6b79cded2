/**
 * Provides `navigator.gpu` for libraries that are written for browsers: Dawn with the toggles and the adapter that this project
 * uses.
 */
import { dawnFlags } from '../../engine/gpu/adapter.js';

interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: object;
}

/** Dawn's instance. It is kept because the process crashes when it is garbage collected. */
let instance: GPU | undefined;

/**
 * Sets `navigator.gpu`.
 *
 * @param adapter the whole name of the adapter
 */
export async function provideGpu(adapter: string | undefined): Promise<GPU> {
  const dawn = (await import('webgpu')) as unknown as Dawn;
  Object.assign(globalThis, dawn.globals);
  instance = dawn.create(dawnFlags({}, adapter));
  const navigator = { gpu: instance, userAgent: 'Node.js', hardwareConcurrency: 2 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  return instance;
}

/** Copies data in shared memory before it is written to a buffer: Dawn refuses it, but WebAssembly heaps with threads are shared. */
export function copySharedWrites(): void {
  const { GPUQueue } = globalThis as unknown as { GPUQueue: { prototype: GPUQueue } };
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (
    this: GPUQueue,
    buffer: GPUBuffer,
    at: number,
    data: GPUAllowSharedBufferSource,
    from = 0,
    size?: number,
  ) {
    const view = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
    if (!(view.buffer instanceof SharedArrayBuffer))
      return writeBuffer.call(this, buffer, at, data, from, size as number);
    const unit = 'BYTES_PER_ELEMENT' in view ? Number(view.BYTES_PER_ELEMENT) : 1;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const end = size === undefined ? undefined : (from + size) * unit;
    return writeBuffer.call(this, buffer, at, bytes.slice(from * unit, end));
  };
}

/** Adds the iterator helpers that jax-js uses and Node 20 lacks. */
export function polyfillIterators(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as Record<
    string,
    unknown
  >;
  const define = (name: string, value: unknown) => {
    if (!(name in prototype))
      Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  };
  define('map', function* (this: Iterable<unknown>, change: (value: unknown, i: number) => unknown) {
    let i = 0;
    for (const value of this) yield change(value, i++);
  });
  define('filter', function* (this: Iterable<unknown>, keep: (value: unknown, i: number) => boolean) {
    let i = 0;
    for (const value of this) if (keep(value, i++)) yield value;
  });
  define('toArray', function (this: Iterable<unknown>) {
    return [...this];
  });
  define('some', function (this: Iterable<unknown>, test: (value: unknown) => boolean) {
    for (const value of this) if (test(value)) return true;
    return false;
  });
  define('every', function (this: Iterable<unknown>, test: (value: unknown) => boolean) {
    for (const value of this) if (!test(value)) return false;
    return true;
  });
}
