/** Worker of `tensorThreads.ts`: reads float32 values as float16. */
import { closeSync, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { crc32 } from '../../formats/crc32.js';
import { moved } from './moved.js';

/** Float32 values of a file to read as float16. */
export interface HalfRequest {
  readonly path: string;
  /** Start in bytes. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
  /** Whether to compute the CRC-32 of the bytes. */
  readonly sum: boolean;
}

/** Rounded values, and the CRC-32 of the original bytes if requested. */
export type SummedHalves = RoundedHalves & { readonly crc32?: number };

/** Reused for tensors whose bytes stay in this thread: allocating memory takes longer than filling it. */
let scratch = new ArrayBuffer(0);

/** Entry point of the worker. */
export default function work({ path, offset, length, sum }: HalfRequest): SummedHalves {
  if (scratch.byteLength < length) scratch = new ArrayBuffer(length);
  const bytes = new Uint8Array(scratch, 0, length);
  readInto(bytes, path, offset);
  const rounded = roundHalves(new Float32Array(scratch, 0, length / 4));
  return moved(sum ? { ...rounded, crc32: (zlib.crc32 ?? crc32)(bytes) } : rounded, [rounded.halves.buffer]);
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
