import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareImage } from '../../../models/images/preparedImage.js';
import { boxCrop, roundHalfEven, sampleTrainCrop, testCrop } from '../../../models/images/preprocess.js';
import { cropOnCpu, resampleCoefficients } from '../../../models/images/resample.js';
import { Random } from '../../../models/random.js';
import {
  describeWithShared,
  readPreprocessCases,
  readRawTensors,
  sharedFolder,
} from '../../helpers/shared.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';
import { wholeResize } from '../../helpers/wholeResize.js';

describeWithShared('goldens/preprocess', 'equals Pillow from decoded pixels', () => {
  const expected = readRawTensors(`${sharedFolder}/goldens/preprocess/expected.safetensors`);
  for (const { file, width, height, test, train } of readPreprocessCases())
    it(file, () => {
      const image = { width, height, data: expected.get(`${file}.decoded`)!.data };
      const crops = [
        ...test.map((size) => [`test.${size}`, testCrop(width, height, size)] as const),
        ...train.map((box, i) => [`train.${i}`, boxCrop(box, box.size)] as const),
      ];
      for (const [name, crop] of crops) {
        const difference = Buffer.compare(cropOnCpu(image, crop), expected.get(`${file}.${name}`)!.data);
        expect(difference, name).toBe(0);
      }
    });
});

describe('on an image made in code', () => {
  /** Written by this implementation when it equalled Pillow on every golden above. */
  const fixture: {
    width: number;
    height: number;
    box?: readonly [left: number, top: number, width: number, height: number];
    flip?: boolean;
    size: number;
    bytes: string;
  }[] = JSON.parse(readFileSync(new URL('../../fixtures/bicubic.json', import.meta.url), 'utf8'));
  for (const { width, height, box, flip, size, bytes } of fixture)
    it(`${width} x ${height}${box ? ` box ${box}` : ''} to ${size}`, () => {
      const crop = box
        ? boxCrop({ left: box[0], top: box[1], width: box[2], height: box[3], flip }, size)
        : testCrop(width, height, size);
      expect(Buffer.from(cropOnCpu(syntheticImage(width, height), crop)).toString('base64')).toBe(bytes);
    });

  it('keeps an image that has the size already', () => {
    const image = syntheticImage(13, 13);
    expect(cropOnCpu(image, testCrop(13, 13, 13))).toEqual(image.data);
  });
});

describe('an image that is too large to go to the GPU whole', () => {
  it('becomes the bytes of the reference, whatever the crop', () => {
    fc.assert(
      fc.property(
        // The smallest crop, 0.08 of an image, is then larger than any result.
        fc.integer({ min: 60, max: 200 }),
        fc.integer({ min: 60, max: 200 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.boolean(),
        (width, height, size, seed, whole) => {
          const image = syntheticImage(width, height, seed + 1);
          const crop = whole
            ? testCrop(width, height, size)
            : sampleTrainCrop(Random.of(seed, 'crop'), width, height, size);
          const prepared = prepareImage(image, crop, 0);
          expect(prepared).toMatchObject({ crop, width, height });
          expect([prepared.rows, prepared.columns]).toEqual([size, size]);
          expect(prepared.source.subarray(0, size * size * 3)).toEqual(wholeResize(image, crop));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is taken in part where it is very long: neither its rest nor its resized whole is made', () => {
    for (const [width, height] of [
      [100_000, 1],
      [1, 100_000],
    ] as const) {
      const image = { width, height, data: new Uint8Array(3 * width * height).fill(77) };
      const prepared = prepareImage(image, testCrop(width, height, 224), 0);
      expect(prepared.source.length).toBeLessThan(200_000);
      expect(prepared.source.subarray(0, 3)).toEqual(Uint8Array.of(77, 77, 77));
    }
  });
});

describe('coefficients', () => {
  it('are those of the cubic with a = -0.5 when doubling', () => {
    // Output pixel 5 has its centre at 2.75: a quarter past the middle of input pixel 2.
    const { starts, counts, weights, taps } = resampleCoefficients(8, 16);
    expect([taps, starts[5], counts[5]]).toEqual([5, 1, 4]);
    const cubic = [-0.0703125, 0.8671875, 0.2265625, -0.0234375];
    expect([...weights.subarray(25, 29)]).toEqual(cubic.map((w) => w * 2 ** 22));
  });

  it('sum to one within rounding, for any sizes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (from, to) => {
        const { taps, starts, counts, weights } = resampleCoefficients(from, to);
        for (let i = 0; i < to; i++) {
          const sum = weights.subarray(i * taps, (i + 1) * taps).reduce((a, b) => a + b, 0);
          if (Math.abs(sum - 2 ** 22) > taps || starts[i]! < 0 || starts[i]! + counts[i]! > from)
            return false;
        }
        return true;
      }),
      { numRuns: 50 },
    );
  });
});

describe('geometry', () => {
  it('cuts the long edge down and centres with rounding to even', () => {
    expect(testCrop(311, 97, 224)).toMatchObject({ resizeTo: [718, 224], offset: [247, 0] });
    expect(testCrop(500, 375, 225)).toMatchObject({ resizeTo: [300, 225], offset: [38, 0] }); // 37.5 -> 38
    expect(testCrop(225, 262, 225)).toMatchObject({ resizeTo: [225, 262], offset: [0, 18] }); // 18.5 -> 18
    expect([0.5, 1.5, 2.5, 2.4999, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3]);
  });

  it('draws crops that lie inside and have the ratio and area asked for', () => {
    const random = new Random(1);
    for (let i = 0; i < 500; i++) {
      const crop = sampleTrainCrop(random, 200, 150, 64);
      expect(crop.left + crop.width).toBeLessThanOrEqual(200);
      expect(crop.top + crop.height).toBeLessThanOrEqual(150);
      expect(crop.width / crop.height).toBeGreaterThan(0.72);
      expect(crop.width / crop.height).toBeLessThan(1.39);
      expect((crop.width * crop.height) / 30000).toBeGreaterThan(0.077);
    }
  });

  it('falls back to a centred box of an allowed ratio', () => {
    expect(sampleTrainCrop(new Random(1), 1000, 3, 64)).toMatchObject({
      left: 498,
      top: 0,
      width: 4,
      height: 3,
    });
    expect(sampleTrainCrop(new Random(1), 3, 1000, 64)).toMatchObject({
      left: 0,
      top: 498,
      width: 3,
      height: 4,
    });
    expect(sampleTrainCrop(new Random(1), 1, 500, 64)).toMatchObject({ left: 0, width: 1, height: 1 });
  });

  it('flips half of the crops', () => {
    const random = new Random(5);
    const flips = Array.from({ length: 1000 }, () => sampleTrainCrop(random, 60, 60, 64).flip).filter(
      Boolean,
    );
    expect(Math.abs(flips.length - 500)).toBeLessThan(60);
  });
});
