/** Worker of `halves.ts`: reads float32 values from a file and rounds them to float16. */
import { closeSync, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { crc32 } from '../../models/checkpoints/crc32.js';
import { moved } from './moved.js';

/** Which values to read. */
export interface HalfRequest {
  readonly path: string;
  /** Start in bytes. */
  readonly offset: number;
  /** Number of values. */
  readonly count: number;
  /** Whether to compute the CRC-32 of the bytes too. */
  readonly sum?: boolean;
}

/** The rounded values, and the CRC-32 of the bytes if requested. */
export type SummedHalves = RoundedHalves & { readonly crc32?: number };

/** Reused for all tensors: allocating memory takes longer than filling it. */
let scratch = new Float32Array(0);

/** Entry point of the worker. */
export default function work({ path, offset, count, sum }: HalfRequest): SummedHalves {
  if (scratch.length < count) scratch = new Float32Array(count);
  const bytes = new Uint8Array(scratch.buffer, 0, 4 * count);
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
  const rounded = roundHalves(scratch.subarray(0, count));
  return moved(sum ? { ...rounded, crc32: (zlib.crc32 ?? crc32)(bytes) } : rounded, [rounded.halves.buffer]);
}
