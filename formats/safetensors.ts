import { toHalf, UserError } from '../engine/index.js';
import { crc32 } from './crc32.js';
import { fileError } from './fileErrors.js';
import { filePart } from './filePart.js';
import type { Files, WrittenPiece } from './files.js';
import { isRecord, isSizes, parseLimitedJson } from './json.js';
import { CHECKSUM, changed, checksumText, readSeal, stampHeader } from './seal.js';
import {
  type Checkpoint,
  DTYPE_BYTES,
  elementCount,
  type StoredDType,
  type StoredTensor,
  storedTensor,
} from './tensors.js';
import { bytesOf, refuseNotFinite, valuesOf, type WritableTensor } from './writable.js';

/** The format allows 100 MB; ViT-L/14 needs 50 kB, and a damaged length should not make us read the weights as text. */
const MAX_HEADER = 16 * 2 ** 20;

interface HeaderEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Opens a safetensors file; only its header is read. Source: github.com/huggingface/safetensors, "Format".
 * Throws `UserError` naming the file, and the tensor where there is one, for anything the format forbids:
 * a header longer than the file, offsets outside the file, overlapping, with holes, or unlike shape times dtype.
 * A checksum in the metadata (seal.ts) is compared: that of the header here, a tensor's when it is read.
 */
export async function openSafetensors(files: Files, path: string): Promise<Checkpoint> {
  const size = (await files.stat(path))?.size ?? 0;
  if (size < 10) throw fileError(path, `it has ${size} bytes, too few for a safetensors file`);
  const headerBytes = headerLength(await files.read(path, 0, 8));
  if (headerBytes > MAX_HEADER || headerBytes > size - 8)
    throw fileError(path, `its header should take ${headerBytes} bytes but the file has ${size}`);
  const start = 8 + headerBytes;
  const header = await files.read(path, 0, start);
  const { entries, metadata } = parseHeader(path, header.subarray(8));
  const ordered = checkLayout(path, entries, size - start);
  const seal = readSeal(path, header, metadata, entries.length);
  const sums = new Map(ordered.map((entry, i) => [entry, seal?.[i]]));
  const tensors = new Map<string, StoredTensor>();
  for (const entry of entries) {
    const { name, dtype, shape, begin, end } = entry;
    const fail = (problem: string, hint = 'check that this is the file you meant'): never => {
      throw fileError(path, `tensor "${name}" ${problem}`, hint);
    };
    const { bytes, range, halves } = filePart(files, {
      path,
      at: start + begin,
      length: end - begin,
      crc32: sums.get(entry),
      wrong: () => changed(path, `the checksum of tensor "${name}" is wrong`),
    });
    const rounds = dtype === 'F32' && begin < end && files.readHalves !== undefined;
    const sealed = seal !== undefined;
    tensors.set(
      name,
      storedTensor({ name, dtype, shape, bytes, range, ...(rounds && { halves }), sealed, fail }),
    );
  }
  // It is of this file: a copy of the metadata in another one would be wrong.
  if (seal) delete metadata[CHECKSUM];
  return { path, format: 'safetensors', tensors, metadata };
}

/** Whether the first bytes of a file can be those of a safetensors file. */
export function looksLikeSafetensors(head: Uint8Array): boolean {
  return head.length >= 9 && head[8] === 0x7b && headerLength(head) <= MAX_HEADER;
}

function headerLength(head: Uint8Array): number {
  return Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
}

function parseHeader(path: string, bytes: Uint8Array) {
  const header = parseLimitedJson(new TextDecoder().decode(bytes), (problem) =>
    fileError(path, `its header ${problem}`),
  );
  if (!isRecord(header)) throw fileError(path, 'its header is not a JSON object');
  const entries: HeaderEntry[] = [];
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(value)) throw fileError(path, 'its metadata is not an object');
      for (const [key, text] of Object.entries(value)) {
        if (typeof text === 'string') metadata[key] = text;
        else if (key === CHECKSUM) throw changed(path, 'its checksum is damaged');
      }
    } else entries.push(parseEntry(path, name, value));
  }
  return { entries, metadata };
}

function parseEntry(path: string, name: string, value: unknown): HeaderEntry {
  const bad = (problem: string, hint?: string) => fileError(path, `tensor "${name}" ${problem}`, hint);
  if (!isRecord(value)) throw bad('has no description in the header');
  for (const field of ['dtype', 'shape', 'data_offsets'])
    if (value[field] === undefined) throw bad(`has no "${field}" in the header`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype))
    throw bad(
      `has the dtype ${JSON.stringify(dtype)}, which is not supported`,
      `save it as one of ${Object.keys(DTYPE_BYTES).join(', ')}`,
    );
  if (!isSizes(shape)) throw bad(`has the shape ${JSON.stringify(shape)}`);
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end)
    throw bad(`has the offsets ${JSON.stringify(offsets)}`);
  const wanted = elementCount(shape) * DTYPE_BYTES[dtype as StoredDType];
  if (end - begin !== wanted)
    throw bad(`of shape [${shape.join(', ')}] and dtype ${dtype} needs ${wanted} bytes, not ${end - begin}`);
  return { name, dtype: dtype as StoredDType, shape, begin, end };
}

/** Tensors must follow one another and fill the file: what the reference implementation demands too. Returns them in that order. */
function checkLayout(path: string, entries: readonly HeaderEntry[], dataBytes: number): HeaderEntry[] {
  let at = 0;
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const entry of ordered) {
    if (entry.end > dataBytes)
      throw fileError(path, `tensor "${entry.name}" ends ${entry.end - dataBytes} bytes after the file`);
    if (entry.begin !== at)
      throw fileError(path, `tensor "${entry.name}" starts at byte ${entry.begin} instead of ${at}`);
    at = entry.end;
  }
  if (at !== dataBytes) throw fileError(path, `${dataBytes - at} bytes follow its last tensor`);
  return ordered;
}

/** A tensor for a safetensors file, with its values. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'I32' | 'U8';
  readonly shape: readonly number[];
  /** Row-major values, converted to `dtype`; for F16 a `Uint16Array` is taken as the bits. */
  readonly data: Float32Array | Int32Array | Uint16Array | Uint8Array;
}

/**
 * The bytes of a safetensors file. The same tensors and metadata give the same bytes whatever their order:
 * wide dtypes come first, so that every tensor is aligned, then names in ASCII order; the header ends on 8 bytes.
 * Throws `UserError` when data and shape disagree, a float is not finite, or two names are equal.
 *
 * @param sum the host's own CRC-32, where it has a fast one
 */
export function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
  sum: typeof crc32 = crc32,
): Uint8Array {
  const sorted = inFileOrder(tensors);
  for (const { name, data, shape } of sorted)
    if (data.length !== elementCount(shape))
      throw new UserError(
        `tensor "${name}" has ${data.length} values for the shape [${shape}]`,
        'fix one of them',
      );
  const values = sorted.map((tensor) => {
    const bytes = bytesOf(convert(tensor));
    refuseNotFinite(tensor, bytes);
    return bytes;
  });
  const sums = values.map((bytes) => sum(bytes));
  const pieces = [encodeHeader(sorted, metadata, sums), ...values];
  const out = new Uint8Array(pieces.reduce((total, bytes) => total + bytes.length, 0));
  let to = 0;
  for (const bytes of pieces) {
    out.set(bytes, to);
    to += bytes.length;
  }
  return out;
}

/**
 * The same file in pieces, with the values of one tensor at a time in memory. The last piece overwrites the header: it has the
 * sums of tensors, which are known when all are written.
 *
 * @param sum the host's own CRC-32, where it has a fast one
 */
export async function* streamSafetensors(
  tensors: readonly WritableTensor[],
  metadata: Readonly<Record<string, string>> = {},
  sum: typeof crc32 = crc32,
): AsyncGenerator<WrittenPiece> {
  const sorted = inFileOrder(tensors);
  const sums = sorted.map(() => 0);
  yield encodeHeader(sorted, metadata, sums);
  for (const [i, tensor] of sorted.entries()) {
    const bytes = await valuesOf(tensor);
    sums[i] = sum(bytes);
    yield bytes;
  }
  yield { at: 0, bytes: encodeHeader(sorted, metadata, sums) };
}

type Described = Pick<HeaderEntry, 'name' | 'dtype' | 'shape'>;

function inFileOrder<T extends Described>(tensors: readonly T[]): T[] {
  return [...tensors].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || ascii(a.name, b.name));
}

/** Length and header, for tensors that follow one another in this order and have these sums. */
function encodeHeader(
  tensors: readonly Described[],
  metadata: Readonly<Record<string, string>>,
  sums: readonly number[],
): Uint8Array {
  // Pairs, not an object: object keys that look like numbers would be reordered and "__proto__" lost.
  const keys = Object.keys(metadata)
    .filter((key) => key !== CHECKSUM)
    .sort(ascii);
  const entries = [pair(CHECKSUM, checksumText(sums)), ...keys.map((key) => pair(key, metadata[key]!))];
  const fields = [`"__metadata__":{${entries.join(',')}}`];
  let at = 0;
  const names = new Set<string>(['__metadata__']);
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new UserError(`two tensors are named "${name}"`, 'give each its own name');
    names.add(name);
    const end = at + elementCount(shape) * DTYPE_BYTES[dtype];
    fields.push(pair(name, { dtype, shape, data_offsets: [at, end] }));
    at = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + headerBytes).fill(0x20, 8);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerBytes), true);
  out.set(text, 8);
  return stampHeader(out);
}

/** Values that are of the type already are taken as they lie there. */
function convert({ dtype, data }: TensorToWrite): TensorToWrite['data'] {
  const floats = () => (data instanceof Float32Array ? data : Float32Array.from(data));
  if (dtype === 'F16') return data instanceof Uint16Array ? data : toHalf(floats());
  if (dtype === 'F32') return floats();
  if (dtype === 'I32') return data instanceof Int32Array ? data : Int32Array.from(data);
  return data instanceof Uint8Array ? data : Uint8Array.from(data);
}

function pair(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

function ascii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
