/** Checks every image file before a run begins, rather than failing hours later. */
import { UnreadableFile } from '../../formats/files.js';
import { FORMAT_BYTES, imageFormat } from '../images/imageFormat.js';
import type { Job } from '../job.js';
import type { Platform } from '../platform.js';
import { inParts } from './dataFolder.js';
import type { ImageItem } from './dataset.js';
import { Skipped } from './skipped.js';

/** From this many on, a progress bar is shown. */
const MANY = 5000;

/** How many broken images are tolerated. */
export interface CheckOptions {
  /** Largest share of broken images, 0 to 1. */
  readonly maxBroken: number;
  /** Collects for several sets of images; made when left out. */
  readonly skipped?: Skipped;
}

/**
 * Leaves out files that cannot be images: missing, empty, not regular files, or without an image's signature. What only decoding
 * shows is left to the loader, with the same `skipped`.
 *
 * @throws UserError when more than `maxBroken` of them are broken, or all
 */
export async function checkImages(
  job: Pick<Job, 'platform' | 'begin'>,
  items: readonly ImageItem[],
  { maxBroken, skipped = new Skipped(0, maxBroken) }: CheckOptions,
): Promise<{ items: ImageItem[]; skipped: Skipped }> {
  const { platform } = job;
  skipped.expect(items.length);
  const bar = items.length >= MANY ? job.begin('looking at the image files', items.length) : undefined;
  let done = 0;
  try {
    const faults = await inParts(items, async ({ path }) => {
      const fault = await faultOf(platform, path);
      if (fault !== undefined) skipped.note(path, fault);
      bar?.update(++done);
      return fault;
    });
    skipped.check();
    return { items: items.filter((_, index) => faults[index] === undefined), skipped };
  } finally {
    bar?.end();
  }
}

async function faultOf(platform: Platform, path: string): Promise<string | undefined> {
  try {
    const start = await platform.readStart(path, FORMAT_BYTES);
    if (start.length === 0) return 'it is empty';
    return imageFormat(start) ? undefined : NO_IMAGE;
  } catch (error) {
    if (error instanceof UnreadableFile) return error.reason;
    throw error;
  }
}

/** The reason for a file without an image's signature. */
export const NO_IMAGE = 'it is in no known image format';
