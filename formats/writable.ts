/** Tensors to be written: their shapes are known first, their values are read one tensor at a time. */
import { UserError } from '../engine/index.js';
import { firstNotFinite } from './finite.js';
import { DTYPE_BYTES, elementCount, type StoredTensor } from './tensors.js';

/** The dtypes that are written. */
export type WritableDType = 'F32' | 'F16' | 'I64';

/** A tensor for a file, whose values are read when it is written. */
export interface WritableTensor {
  readonly name: string;
  readonly dtype: WritableDType;
  readonly shape: readonly number[];
  /** Little-endian values, row-major; as many bytes as shape and dtype say. */
  bytes(): Promise<Uint8Array>;
}

/** Bytes of the values. */
export const byteCount = ({ dtype, shape }: Pick<WritableTensor, 'dtype' | 'shape'>): number =>
  elementCount(shape) * DTYPE_BYTES[dtype];

/**
 * A stored tensor of floats under another name. As float16 its values are rounded to nearest, and one that is too
 * large throws a `UserError`.
 */
export function writable(
  tensor: StoredTensor,
  name: string,
  dtype: 'F32' | 'F16',
  shape = tensor.shape,
): WritableTensor {
  return {
    name,
    dtype,
    shape,
    bytes: async () => bytesOf(await (dtype === 'F32' ? tensor.read() : tensor.readHalf())),
  };
}

/** An integer scalar, such as BatchNorm's `num_batches_tracked`. */
export const writableInteger = (name: string, value: number): WritableTensor => ({
  name,
  dtype: 'I64',
  shape: [],
  bytes: async () => bytesOf(BigInt64Array.of(BigInt(value))),
});

/** The bytes that hold numbers, without a copy. */
export const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The values of a tensor, checked on their way into a file. Throws `UserError` naming tensor and index of one that is not finite. */
export async function valuesOf(tensor: WritableTensor): Promise<Uint8Array> {
  const bytes = await tensor.bytes();
  if (bytes.length !== byteCount(tensor))
    throw new Error(`tensor "${tensor.name}" came with ${bytes.length} bytes for [${tensor.shape}]`);
  refuseNotFinite(tensor, bytes);
  return bytes;
}

/**
 * The last check before a useless model overwrites a good one.
 *
 * @throws UserError naming tensor and index of a float that is infinite or not a number
 */
export function refuseNotFinite(
  tensor: { readonly name: string; readonly dtype: string },
  bytes: Uint8Array,
): void {
  const index = firstNotFinite(tensor.dtype, bytes);
  if (index !== undefined)
    throw new UserError(
      `tensor "${tensor.name}" is not written: its value at index ${index} is not finite`,
      'train again with a lower learning rate, or use the last checkpoint before',
    );
}
