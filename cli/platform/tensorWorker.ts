/** Worker of `tensorThreads.ts`: reads a tensor, and on request computes its checksum and rounds float32 to float16. */
import { closeSync, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { crc32 } from '../../models/checkpoints/crc32.js';
import { moved } from './moved.js';

/** What to read, and what to do with it. */
export interface TensorRequest {
  readonly path: string;
  /** Start in bytes. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
  /** Whether to compute the CRC-32 of the bytes. */
  readonly sum: boolean;
  /** Whether to round float32 values to float16. */
  readonly round: boolean;
}

/** Rounded values, and the CRC-32 of the original bytes if requested. */
export type SummedHalves = RoundedHalves & { readonly crc32?: number };

/** Bytes as they are in the file, and their CRC-32 if requested. */
export interface SummedBytes {
  readonly bytes: Uint8Array;
  readonly crc32?: number;
}

/** Reused for tensors whose bytes stay in this thread: allocating memory takes longer than filling it. */
let scratch = new ArrayBuffer(0);

/** Entry point of the worker. */
export default function work({
  path,
  offset,
  length,
  sum,
  round,
}: TensorRequest): SummedHalves | SummedBytes {
  if (round && scratch.byteLength < length) scratch = new ArrayBuffer(length);
  const bytes = new Uint8Array(round ? scratch : new ArrayBuffer(length), 0, length);
  readInto(bytes, path, offset);
  const summed = sum ? { crc32: (zlib.crc32 ?? crc32)(bytes) } : {};
  if (!round) return moved({ bytes, ...summed }, [bytes.buffer]);
  const rounded = roundHalves(new Float32Array(scratch, 0, length / 4));
  return moved({ ...rounded, ...summed }, [rounded.halves.buffer]);
}

function readInto(bytes: Uint8Array, path: string, offset: number): void {
  const file = openSync(path, 'r');
  try {
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(file, bytes, done, bytes.length - done, offset + done);
      if (read === 0) throw new Error('the file ends too early');
      done += read;
    }
  } finally {
    closeSync(file);
  }
}
