/** A worker of `halves.ts`: reads float32 values of a file and rounds them to float16. */
import { closeSync, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { crc32 } from '../../models/checkpoints/crc32.js';
import { moved } from './moved.js';

export interface HalfRequest {
  readonly path: string;
  /** In bytes. */
  readonly offset: number;
  /** Values. */
  readonly count: number;
  /** Whether the CRC-32 of the bytes is wanted. */
  readonly sum?: boolean;
}

export type SummedHalves = RoundedHalves & { readonly crc32?: number };

/** Kept from tensor to tensor: fresh memory takes longer to get than to fill. */
let scratch = new Float32Array(0);

export default function work({ path, offset, count, sum }: HalfRequest): SummedHalves {
  if (scratch.length < count) scratch = new Float32Array(count);
  const bytes = new Uint8Array(scratch.buffer, 0, 4 * count);
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
  const rounded = roundHalves(scratch.subarray(0, count));
  return moved(sum ? { ...rounded, crc32: (zlib.crc32 ?? crc32)(bytes) } : rounded, [rounded.halves.buffer]);
}
