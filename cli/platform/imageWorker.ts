/** A worker of `ImagePool`: decodes and crops one file at a time. */
import sharp from 'sharp';
import { UserError } from '../../engine/errors.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import { prepareFile } from '../../models/images/prepare.js';
import type { PreparedFile, PrepareRequest } from '../../models/images/types.js';
import { moved } from './moved.js';
import { nodePlatform } from './node.js';

/** Errors lose their class on the way to the main thread, so a mistake of the user's goes as data. */
export type WorkerResult =
  | PreparedFile
  | { readonly broken: string }
  | { readonly mistake: { message: string; mend: string } };

// As many files at a time as there are workers: threads for one file would only get in their way.
sharp.concurrency(1);

export default async function work(request: PrepareRequest): Promise<WorkerResult> {
  try {
    // Shared memory, so that the image can be cropped again by any worker without a copy.
    const result = await prepareFile(request, nodePlatform.useImage!, (image) => ({
      ...image,
      data: shared(image.data),
    }));
    const transfers = result.images.flatMap(({ source, table }) => [source.buffer, table.buffer]);
    return moved(result, transfers);
  } catch (error) {
    if (error instanceof BrokenImage) return { broken: error.reason };
    if (!(error instanceof UserError)) throw error;
    return { mistake: { message: error.message, mend: error.mend } };
  }
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
