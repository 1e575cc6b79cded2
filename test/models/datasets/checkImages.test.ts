/** The look at every image file before a run. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { UnreadableFile } from '../../../formats/files.js';
import { checkImages } from '../../../models/datasets/checkImages.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { imageFormat } from '../../../models/images/imageFormat.js';
import type { Platform } from '../../../models/platform.js';
import { temporaryFolder } from '../../helpers/files.js';

describe('checkImages', () => {
  const folder = temporaryFolder('check-images');
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const write = (name: string, content: string | Uint8Array): ImageItem => {
    writeFileSync(join(folder, name), content);
    return { path: join(folder, name), label: 0 };
  };
  const bars: string[] = [];
  const job = {
    platform: nodePlatform,
    begin: (label: string) => {
      bars.push(label);
      return { update: () => {}, end: () => {} };
    },
  };

  it.skipIf(process.platform === 'win32')('leaves out what cannot be an image, and says why', async () => {
    const good = [
      'a.png',
      'b.png',
      'c.png',
      'd.png',
      'e.png',
      'f.png',
      'g.png',
      'h.png',
      'i.png',
      'j.png',
    ].map((name) => write(name, png));
    const at = (name: string): ImageItem => ({ path: join(folder, name), label: 1 });
    const bad = [
      write('empty.png', ''),
      write('page.jpg', '<html>not found'),
      at('gone.png'),
      at('folder.png'),
      at('pipe.png'),
      at('zero.png'),
    ];
    mkdirSync(join(folder, 'folder.png'));
    execFileSync('mkfifo', [join(folder, 'pipe.png')]);
    symlinkSync('/dev/zero', join(folder, 'zero.png'));
    const mixed = [...bad.slice(0, 3), ...good, ...bad.slice(3)];
    const found = await checkImages(job, mixed, { maxBroken: 0.5 });
    expect(found.items).toEqual(good);
    expect(found.skipped.total).toBe(16);
    expect(found.skipped.text()).toBe(
      [
        'empty.png\tit is empty',
        'folder.png\tis a folder, not a file',
        'gone.png\tdoes not exist',
        'page.jpg\tit is in no known image format',
        'pipe.png\tis a pipe, not a file',
        'zero.png\tis a device, not a file',
      ]
        .map((line) => `${join(folder, line)}\n`)
        .join(''),
    );
    expect(found.skipped.summary('skipped.txt')).toBe('6 of 16 images were skipped: see skipped.txt');
    expect(bars).toEqual([]);

    // All are known before the error is raised.
    await expect(checkImages(job, mixed, { maxBroken: 0.3 })).rejects.toThrow(/^6 of 16 images are broken/);
    await expect(checkImages(job, mixed, { maxBroken: 0 })).rejects.toThrow(/gone\.png \(does not exist\)/);
    await expect(checkImages(job, bad, { maxBroken: 1 })).rejects.toThrow(/6 of 6 .* none can be read/);
    expect((await checkImages(job, good, { maxBroken: 0 })).skipped.summary()).toBeUndefined();
  });

  it('shows a bar where there are many, and ends with a fault of the machine', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ path: `${i}.png`, label: 0 }));
    const platform = { readStart: async () => png } as unknown as Platform;
    const found = await checkImages({ ...job, platform }, many, { maxBroken: 0 });
    expect(found.items).toEqual(many);
    expect(bars).toEqual(['looking at the image files']);
    const failing = (error: Error) =>
      checkImages(
        {
          ...job,
          platform: {
            readStart: async () => {
              throw error;
            },
          } as unknown as Platform,
        },
        many.slice(0, 2),
        { maxBroken: 1 },
      );
    await expect(failing(new UserError('too many open files', 'Close some.'))).rejects.toThrow(
      'too many open',
    );
    await expect(failing(new UnreadableFile('0.png', 'may not be read', 'Change it.'))).rejects.toThrow(
      'none can be',
    );
  });

  it('knows the formats by their first bytes', () => {
    const format = (...bytes: (number | string)[]) =>
      imageFormat(
        Uint8Array.from(
          bytes.flatMap((one) => (typeof one === 'string' ? [...Buffer.from(one, 'latin1')] : [one])),
        ),
      );
    expect(format(0xff, 0xd8, 0xff)).toBe('jpeg');
    expect(imageFormat(png)).toBe('png');
    expect([format('GIF89a'), format('GIF87a')]).toEqual(['gif', 'gif']);
    expect(format('RIFF....WEBPVP8 ')).toBe('webp');
    expect(format('RIFF....WAVE')).toBeUndefined();
    expect(format('BM......')).toBe('bmp');
    expect([format('II*', 0), format('MM', 0, '*'), format('II+', 0), format('MM', 0, '+')]).toEqual(
      Array(4).fill('tiff'),
    );
    expect(format('....ftypavif')).toBe('heif');
    expect([format('<svg '), format('%PDF-1.7'), format('PK'), format()]).toEqual(Array(4).fill(undefined));
  });
});
