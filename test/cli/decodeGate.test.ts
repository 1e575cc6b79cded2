/** The memory bound on decoded images. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DecodeGate } from '../../cli/platform/decodeGate.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { decodeGate } from '../../cli/platform/useImage.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import { temporaryFolder } from '../helpers/files.js';
import { readPeak, resetPeak } from '../helpers/peakMemory.js';

const folder = temporaryFolder('decode-gate');
const at = (name: string) => join(folder, name);
const KIB = 1024;

describe('DecodeGate', () => {
  /** Runs work of these sizes through two gates with one counter. Returns the peak, and how many ran at the same time. */
  async function run(limit: number, sizes: readonly number[]) {
    const first = new DecodeGate(undefined, limit);
    const second = new DecodeGate(first.memory, limit);
    const running = new Set<number>();
    let most = 0;
    const together: number[] = [];
    await Promise.all(
      sizes.map((size, i) =>
        (i % 2 === 0 ? first : second).hold(size, async () => {
          running.add(i);
          most = Math.max(most, first.used);
          together.push(running.size);
          await new Promise((resolve) => setTimeout(resolve, 3));
          running.delete(i);
        }),
      ),
    );
    return { most, left: first.used, together: Math.max(...together), done: together.length };
  }

  it('admits as much as there is room for, whichever thread asks', async () => {
    const found = await run(100 * KIB, Array(20).fill(30 * KIB));
    expect(found).toEqual({ most: 90 * KIB, left: 0, together: 3, done: 20 });
  });

  it('admits work above the limit alone', async () => {
    const found = await run(
      100 * KIB,
      [10, 500, 10, 10, 700, 10].map((size) => size * KIB),
    );
    expect(found).toMatchObject({ most: 700 * KIB, left: 0, done: 6 });
    expect(await run(100 * KIB, Array(4).fill(101 * KIB))).toMatchObject({ most: 101 * KIB, together: 1 });
  });

  it('releases the memory of failed work', async () => {
    const gate = new DecodeGate(undefined, KIB);
    const failed = gate.hold(KIB, async () => {
      throw new Error('broken');
    });
    await expect(failed).rejects.toThrow('broken');
    expect(gate.used).toBe(0);
    expect(await gate.hold(KIB, async () => gate.used)).toBe(KIB);
  });
});

describe('an image', () => {
  it('counts for as long as it is used', async () => {
    await sharp({ create: { width: 1024, height: 512, channels: 3, background: '#123456' } })
      .png()
      .toFile(at('held.png'));
    const during = await nodePlatform.useImage!(at('held.png'), false, () => decodeGate.used);
    expect(during).toBe(3 * 512 * KIB);
    expect(decodeGate.used).toBe(0);
  });

  it('that is too large for Pillow is refused before it is decoded', async () => {
    // Twice Pillow's MAX_IMAGE_PIXELS is 178,956,970 pixels: 13,377 x 13,378 just fits, one more line does not.
    const write = (name: string, width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#123456' } })
        .png()
        .toFile(at(name));
    await write('large.png', 13_377, 13_379);
    expect(13_377 * 13_379).toBeGreaterThan(178_956_970);
    resetPeak();
    const before = readPeak().now;
    const error = await nodePlatform.decodeImage(at('large.png')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BrokenImage);
    expect((error as BrokenImage).message).toMatch(
      /large\.png cannot be read as an image: it has 13377 x 13379 pixels, 178970883 in all; Pillow refuses more/,
    );
    expect(readPeak().peak - before).toBeLessThan(100e6);
  });

  it('of any length is read, even one pixel high', async () => {
    for (const [name, width, height] of [
      ['wide.png', 100_000, 1],
      ['tall.png', 1, 100_000],
    ] as const) {
      await sharp({ create: { width, height, channels: 3, background: '#123456' } })
        .png()
        .toFile(at(name));
      expect(await nodePlatform.decodeImage(at(name))).toMatchObject({ width, height });
    }
  });

  it.skipIf(!resetPeak())('takes its turn: many large ones only take the memory of a few', async () => {
    const png = await sharp({ create: { width: 4000, height: 4000, channels: 3, background: '#123456' } })
      .png()
      .toBuffer();
    const paths = Array.from({ length: 24 }, (_, i) => at(`many-${i}.png`));
    for (const path of paths) writeFileSync(path, png);
    // Warm up, to include the decoder's own memory.
    await nodePlatform.useImage!(paths[0]!, false, () => 0);
    resetPeak();
    const before = readPeak().now;
    const sizes = await Promise.all(
      paths.map((path) => nodePlatform.useImage!(path, false, ({ data }) => data.length)),
    );
    expect(sizes).toEqual(Array(24).fill(48e6));
    // 256 MiB hold five images; all 24 would take 1.15 GB. Some garbage is not collected yet.
    expect(readPeak().peak - before).toBeLessThan(600e6);
  });
});
