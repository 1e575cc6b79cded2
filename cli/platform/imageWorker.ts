/** Worker of `ImagePool`: decodes and crops files. */
import sharp from 'sharp';
import { UserError } from '../../engine/errors.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import { prepareFile } from '../../models/images/prepare.js';
import type { PreparedFile, PrepareRequest } from '../../models/images/types.js';
import { moved } from './moved.js';
import { nodePlatform } from './node.js';

/** The prepared file, or an error as data, because errors lose their class on the way to the main thread. */
export type WorkerResult =
  | PreparedFile
  | { readonly broken: string }
  | { readonly mistake: { message: string; hint: string } };

// Workers decode different files at the same time, so more threads per file would only compete.
sharp.concurrency(1);

/** Entry point of the worker. */
export default async function work(request: PrepareRequest): Promise<WorkerResult> {
  try {
    // Shared memory lets any worker crop the image again without a copy.
    const result = await prepareFile(request, nodePlatform.useImage!, (image) => ({
      ...image,
      data: shared(image.data),
    }));
    const transfers = result.images.flatMap(({ source, table }) => [source.buffer, table.buffer]);
    return moved(result, transfers);
  } catch (error) {
    if (error instanceof BrokenImage) return { broken: error.reason };
    if (!(error instanceof UserError)) throw error;
    return { mistake: { message: error.message, hint: error.hint } };
  }
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
