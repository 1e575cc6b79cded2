/** A worker of `halves.ts`: reads float32 values of a file and rounds them to float16. */
import { closeSync, openSync, readSync } from 'node:fs';
import { type RoundedHalves, roundHalves } from '../../engine/half.js';
import { moved } from './moved.js';

export interface HalfRequest {
  readonly path: string;
  /** In bytes. */
  readonly offset: number;
  /** Values. */
  readonly count: number;
}

/** Kept from tensor to tensor: fresh memory takes longer to get than to fill. */
let scratch = new Float32Array(0);

export default function work({ path, offset, count }: HalfRequest): RoundedHalves {
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
  return moved(rounded, [rounded.halves.buffer]);
}
