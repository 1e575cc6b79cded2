/**
 * Tensors: shape, data type and, for leaves, the source of the values. The node that computes a tensor is known to op.ts
 * (`nodeOf`). Calling an operation only records it; nothing runs until a plan is compiled (gpu/plan.ts) and run.
 */
import { UserError } from '../errors.js';

/**
 * How values are stored. `f16` takes half the memory; kernels still compute in float32. The last axis of an f16 tensor must be
 * a multiple of 4.
 */
export type DType = 'f32' | 'f16' | 'i32';
/** Sizes of the axes, the outermost first; the last axis is contiguous. */
export type Shape = readonly number[];
/** Values on the host; a `Uint16Array` holds the bits of float16 values (half.ts). */
export type HostData = Float32Array | Int32Array | Uint16Array;
/** Values of one tensor in the CPU reference: float64, row-major, whatever the dtype on the device. */
export type Values = Float64Array;

/**
 * What a leaf is for:
 * - `constant`: frozen data, such as a weight of a frozen model
 * - `variable`: data that updates change in place and that lives across steps (parameters, optimiser state)
 * - `input`: data that the host writes before a step (images, labels, the learning rate)
 */
export type LeafKind = 'constant' | 'variable' | 'input';

/** The source of a tensor that no operation computes. */
export interface Leaf {
  readonly kind: LeafKind;
  /** Values to upload on first use; absent when they are written with `write()` (memory.ts). */
  readonly data?: HostData;
}

let nextId = 0;

/** An array on the device: the result of an operation, or a leaf. */
export class Tensor {
  readonly id = nextId++;
  constructor(
    readonly shape: Shape,
    readonly dtype: DType,
    /** Names the tensor in messages. */
    readonly label: string,
    /** Where the values come from; undefined for the result of an operation. */
    readonly leaf?: Leaf,
  ) {}

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }
  /** Bytes on the device. */
  get bytes(): number {
    return this.size * (this.dtype === 'f16' ? 2 : 4);
  }

  /** Label and shape, for messages: `images[4, 3, 224, 224]`. */
  toString(): string {
    return `${this.label}[${this.shape.join(', ')}]`;
  }
}

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
/** Whether two shapes have the same axes. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** @throws UserError when a float16 tensor of that shape cannot be stored */
export function checkHalfShape(shape: Shape, label: string): void {
  if (shape[shape.length - 1]! % 4 !== 0)
    throw new UserError(
      `${label}: shape [${shape.join(', ')}] cannot be float16: its last size is not a multiple of 4`,
      'store it as float32',
    );
}

function leaf(kind: LeafKind, shape: Shape, dtype: DType, label: string, data?: HostData): Tensor {
  if (shape.some((n) => !Number.isInteger(n) || n < 1))
    throw new UserError(`${label}: shape [${shape.join(', ')}] has a size below 1`, 'give positive sizes');
  if (data && data.length !== sizeOf(shape))
    throw new UserError(
      `${label}: ${data.length} values given for shape [${shape.join(', ')}]`,
      `give ${sizeOf(shape)} values`,
    );
  if (dtype === 'f16') checkHalfShape(shape, label);
  return new Tensor(shape, dtype, label, data ? { kind, data } : { kind });
}

/** The dtype that host data is stored as. */
export function dtypeOf(data: HostData): DType {
  if (data instanceof Uint16Array) return 'f16';
  return data instanceof Int32Array ? 'i32' : 'f32';
}

/**
 * A frozen tensor holding `data` (row-major), of the data's dtype. Without data it must be written before its first use, and
 * `dtype` says how it is stored.
 */
export function constant(
  data: HostData | undefined,
  shape: Shape,
  label = 'constant',
  dtype: DType = data ? dtypeOf(data) : 'f32',
): Tensor {
  return leaf('constant', shape, dtype, label, data);
}

/** A float32 tensor that lives across steps and that updates may change: a parameter or a state. */
export function variable(data: Float32Array | undefined, shape: Shape, label = 'variable'): Tensor {
  return leaf('variable', shape, 'f32', label, data);
}

/** A tensor that the host fills with `write()` before each step. */
export function input(shape: Shape, label = 'input', dtype: DType = 'f32'): Tensor {
  return leaf('input', shape, dtype, label);
}

/** A frozen scalar, shape `[1]`. */
export const scalar = (value: number, label = 'scalar'): Tensor =>
  constant(Float32Array.of(value), [1], label);
