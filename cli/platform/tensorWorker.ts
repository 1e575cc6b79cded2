/** A worker of `tensorThreads.ts`: reads a tensor of a file, sums its bytes, and rounds float32 to float16 where asked to. */
import { closeSync, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { crc32 } from '../../models/checkpoints/crc32.js';
import { moved } from './moved.js';

export interface TensorRequest {
  readonly path: string;
  /** In bytes. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
  /** Whether the CRC-32 of the bytes is wanted. */
  readonly sum: boolean;
  /** Rounds float32 values to float16. */
  readonly round: boolean;
}

export type SummedHalves = RoundedHalves & { readonly crc32?: number };

export interface SummedBytes {
  readonly bytes: Uint8Array;
  readonly crc32?: number;
}

/** Kept from tensor to tensor where the bytes stay here: fresh memory takes longer to get than to fill. */
let scratch = new ArrayBuffer(0);

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
      if (read === 0) throw new Error('the file has ended');
      done += read;
    }
  } finally {
    closeSync(file);
  }
}
