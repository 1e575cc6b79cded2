import { fromHalf, type RoundedHalves, roundHalves } from '../engine/index.js';
import { firstNotFinite, placeIn } from './finite.js';

/** Arrays that hold numbers as they are stored; those of 16 bits as their bits. */
const TYPED_ARRAYS = {
  F64: Float64Array,
  I64: BigInt64Array,
  F32: Float32Array,
  I32: Int32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U8: Uint8Array,
  I8: Int8Array,
  BOOL: Uint8Array,
} as const;

/** How a checkpoint stores numbers. */
export type StoredDType = keyof typeof TYPED_ARRAYS;

/** Bytes of an element. */
export const DTYPE_BYTES = Object.fromEntries(
  Object.entries(TYPED_ARRAYS).map(([dtype, { BYTES_PER_ELEMENT }]) => [dtype, BYTES_PER_ELEMENT]),
) as Readonly<Record<StoredDType, number>>;

/** One tensor of a checkpoint. Nothing is held in memory until it is read. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /**
   * The values as float32, row-major and contiguous. Float16, bfloat16 and integers below 2^24 convert exactly;
   * float64 is rounded. Throws `UserError` when the file cannot be read, or a value is infinite or NaN: so do `readRows` and
   * `readHalf`.
   */
  read(): Promise<Float32Array>;
  /** Rows `[first, first + count)` by the first axis, where no more than these has to be read. */
  readonly readRows?: (first: number, count: number) => Promise<Float32Array>;
  /** All values as the bits of float16. Throws `UserError` when one is too large for it. */
  readHalf(): Promise<Uint16Array>;
  /** The values of an integer tensor, row-major. Throws `UserError` for other dtypes and beyond 32 bits. */
  readInts(): Promise<Int32Array>;
}

/** What a Hugging Face `config.json` or an `open_clip_config.json` holds; unchecked until `inferConfig` reads it. */
export type ModelConfigJson = Readonly<Record<string, unknown>>;

/** A file of named tensors, of whatever format. */
export interface Checkpoint {
  readonly path: string;
  /** In words for people: "safetensors", "TorchScript archive", ... */
  readonly format: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly config?: ModelConfigJson;
  /** The files that `path` is the index of, where it is one. */
  readonly parts?: readonly string[];
}

/** Where a tensor's raw bytes come from. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Little-endian values in row-major order. */
  bytes(): Promise<Uint8Array>;
  /** Some of these bytes, where the file can be read so. */
  readonly range?: (offset: number, length: number) => Promise<Uint8Array>;
  /** The bytes are compared with a checksum of ours, which only finite values get: they are not searched for others again. */
  readonly sealed?: boolean;
  /** All values of a float32 tensor as float16, where they can be rounded beside other work. */
  halves?(): Promise<RoundedHalves>;
  /** Throws the format's own error for a wrong use; it knows file and tensor. `hint` replaces its usual one. */
  fail(problem: string, hint?: string): never;
}

const LARGEST_HALF = 65_504;
const NOT_FINITE = 'copy or download the file again; if it was trained here, train again';

/** Makes a `StoredTensor` of raw bytes. */
export function storedTensor(source: TensorSource): StoredTensor {
  const { name, dtype, shape, range } = source;
  const refuse = (value: string, index: number, row = 0): never =>
    source.fail(`holds ${value} at ${placeIn(shape, index, row)}`, NOT_FINITE);
  /** Bytes as they are stored, from row `row` on, if all of them are finite. */
  const finite = (bytes: Uint8Array, row = 0): Uint8Array => {
    const bad = source.sealed ? undefined : firstNotFinite(dtype, bytes);
    return bad === undefined ? bytes : refuse(valueAt(dtype, bytes, bad), bad, row);
  };
  const floats = (bytes: Uint8Array, row = 0): Float32Array => {
    const values = toFloat32(dtype, finite(bytes, row));
    if (dtype !== 'F64') return values;
    const large = values.findIndex((value) => !Number.isFinite(value));
    return large < 0 ? values : refuse(`${valueAt(dtype, bytes, large)}, too large for float32,`, large, row);
  };
  const rounded = (halves: RoundedHalves): Uint16Array => {
    const { notFinite, overflow } = halves;
    if (notFinite !== undefined)
      refuse(String(fromHalf(halves.halves.subarray(notFinite, notFinite + 1))[0]), notFinite);
    if (overflow !== undefined)
      source.fail(`holds ${overflow}, and float16 ends at ${LARGEST_HALF}`, 'keep it in float32');
    return halves.halves;
  };
  const rowBytes = elementCount(shape.slice(1)) * DTYPE_BYTES[dtype];
  return {
    name,
    dtype,
    shape,
    read: async () => floats(await source.bytes()),
    readRows:
      range && (async (first, count) => floats(await range(first * rowBytes, count * rowBytes), first)),
    readHalf: async () => {
      if (source.halves) return rounded(await source.halves());
      const bytes = await source.bytes();
      return dtype === 'F16' ? view(dtype, finite(bytes)) : rounded(roundHalves(floats(bytes)));
    },
    readInts: async () => {
      if (dtype[0] === 'F' || dtype[0] === 'B') source.fail(`holds ${dtype} where integers are expected`);
      const values = toInt32(dtype, await source.bytes());
      return values ?? source.fail('holds integers beyond 32 bits');
    },
  };
}

/** Elements of a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** The clause for a tensor of a wrong shape. */
export function mismatch(what: string, found: readonly number[], expected: readonly number[]): string {
  return `${what} has the shape [${found.join(', ')}], expected [${expected.join(', ')}]`;
}

/** Little-endian bytes of any alignment -> float32. */
export function toFloat32(dtype: StoredDType, bytes: Uint8Array): Float32Array {
  if (dtype === 'F32') return view(dtype, bytes);
  if (dtype === 'F16') return fromHalf(view(dtype, bytes));
  if (dtype === 'I64') return Float32Array.from(view(dtype, bytes), Number);
  if (dtype !== 'BF16') return new Float32Array(view(dtype, bytes));
  const bits = new Uint32Array(view(dtype, bytes));
  for (let i = 0; i < bits.length; i++) bits[i]! <<= 16;
  return new Float32Array(bits.buffer);
}

/** The value at an index of such bytes, as text: "NaN", "Infinity" or "-Infinity". */
export function valueAt(dtype: StoredDType, bytes: Uint8Array, index: number): string {
  const at = index * DTYPE_BYTES[dtype];
  const value = bytes.slice(at, at + DTYPE_BYTES[dtype]);
  return String(dtype === 'F64' ? view(dtype, value)[0] : toFloat32(dtype, value)[0]);
}

function toInt32(dtype: StoredDType, bytes: Uint8Array): Int32Array | undefined {
  if (dtype !== 'I64') return new Int32Array(view(dtype, bytes));
  const wide = view(dtype, bytes);
  const out = Int32Array.from(wide, Number);
  return wide.every((value, i) => BigInt(out[i]!) === value) ? out : undefined;
}

/** Typed view of bytes; copies them first when their offset is misaligned. WebGPU and its hosts are little-endian. */
function view<D extends StoredDType>(dtype: D, bytes: Uint8Array): InstanceType<(typeof TYPED_ARRAYS)[D]> {
  const size = DTYPE_BYTES[dtype];
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const values = new TYPED_ARRAYS[dtype](buffer as ArrayBuffer, byteOffset, Math.floor(bytes.length / size));
  return values as InstanceType<(typeof TYPED_ARRAYS)[D]>;
}

/**
 * Elements of a strided view, row-major: `bytes` starts at the view's first element, strides count elements.
 */
export function gather(
  bytes: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  itemBytes: number,
): Uint8Array {
  const out = new Uint8Array(elementCount(shape) * itemBytes);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < out.length; to += itemBytes) {
    for (let k = 0; k < itemBytes; k++) out[to + k] = bytes[from * itemBytes + k]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Strides in elements of a contiguous tensor. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

type Values = Float32Array | Uint16Array | Int32Array;

/** A tensor whose values come from those of others, whichever way they are read. */
const derived = (
  name: string,
  { dtype }: StoredTensor,
  shape: readonly number[],
  compute: <T extends Values>(read: (tensor: StoredTensor) => Promise<T>) => Promise<T>,
): StoredTensor => ({
  name,
  dtype,
  shape,
  read: () => compute((tensor) => tensor.read()),
  readHalf: () => compute((tensor) => tensor.readHalf()),
  readInts: () => compute((tensor) => tensor.readInts()),
});

/** The same values under another name, or in another shape with as many elements. */
export const renamed = (tensor: StoredTensor, name: string, shape = tensor.shape): StoredTensor => ({
  ...derived(name, tensor, shape, (read) => read(tensor)),
  readRows: shape === tensor.shape ? tensor.readRows : undefined,
});

/** `[rows, columns]` -> `[columns, rows]`. */
export function transposed(tensor: StoredTensor, name: string): StoredTensor {
  const [rows, columns] = tensor.shape as [number, number];
  return derived(name, tensor, [columns, rows], async (read) => {
    const values = await read(tensor);
    const out = values.slice() as typeof values;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
    return out;
  });
}

/** Tensors that agree in all but the first axis, concatenated along it. There must be one at least. */
export function stacked(parts: readonly StoredTensor[], name: string): StoredTensor {
  const first = parts[0]!;
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  const shape = [rows, ...first.shape.slice(1)];
  return derived(name, first, shape, async <T extends Values>(read: (part: StoredTensor) => Promise<T>) => {
    const all = await Promise.all(parts.map(read));
    const out = new (all[0]!.constructor as new (length: number) => T)(elementCount(shape));
    let at = 0;
    for (const values of all) {
      out.set(values, at);
      at += values.length;
    }
    return out;
  });
}
