/** Generated stand-ins for photographs: JPEG files of about the size of those in Caltech-101 and ImageNet. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededValues } from './workloads/values.js';

const [WIDTH, HEIGHT] = [500, 375];

/** Their name in tables. */
export const PHOTOS = `generated JPEG, ${WIDTH} x ${HEIGHT}`;

/** Creates `folder` and writes `count` pictures into it: smooth shapes with some noise, different ones for each `first`. */
export async function drawPhotos(folder: string, count: number, first = 0): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let i = first; i < first + count; i++) {
    const noise = seededValues(i, WIDTH * HEIGHT * 3, 24);
    const pixels = Uint8Array.from(noise, (v, at) => {
      const [x, y] = [Math.floor(at / 3) % WIDTH, Math.floor(at / 3 / WIDTH)];
      return 128 + 90 * Math.sin(((i + 3) * x) / 400 + (at % 3)) * Math.cos(((i + 5) * y) / 300) + v;
    });
    await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 85 })
      .toFile(join(folder, `${i}.jpg`));
  }
}
