import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { thumbnailsOf } from '../../report/photos.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('thumbnail');

describe('thumbnail', () => {
  it('is a small JPEG of the square in the middle', async () => {
    // Blue at the left and right, red in the middle square.
    const file = join(folder, 'wide.png');
    const pixels = Buffer.from(
      Array.from({ length: 300 * 100 }, (_, i) =>
        i % 300 >= 100 && i % 300 < 200 ? [220, 0, 0] : [0, 0, 220],
      ).flat(),
    );
    await sharp(pixels, { raw: { width: 300, height: 100, channels: 3 } })
      .png()
      .toFile(file);
    const picture = await nodePlatform.thumbnail!(file, 32);
    const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, (await sharp(picture).metadata()).format]).toEqual([32, 32, 'jpeg']);
    for (const at of [32 * 16 + 2, 32 * 16 + 29]) expect(data[3 * at]).toBeGreaterThan(180);
  });

  it('is left out for a file that cannot be read', async () => {
    writeFileSync(join(folder, 'broken.png'), 'no image');
    const make = thumbnailsOf(nodePlatform)!;
    expect(await make(join(folder, 'broken.png'))).toBeUndefined();
    expect(thumbnailsOf({ ...nodePlatform, thumbnail: undefined })).toBeUndefined();
  });
});

describe('appendBytes', () => {
  it('adds to a file that may not exist yet', async () => {
    const file = join(folder, 'log');
    for (const part of [[1, 2], [], [3]]) await nodePlatform.appendBytes!(file, Uint8Array.from(part));
    expect([...readFileSync(file)]).toEqual([1, 2, 3]);
    await expect(nodePlatform.appendBytes!(join(folder, 'none', 'log'), new Uint8Array(1))).rejects.toThrow(
      /cannot be written/,
    );
  });
});
