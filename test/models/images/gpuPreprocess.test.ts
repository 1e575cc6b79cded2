import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { attachChecks, checksOf, KernelChecks } from '../../../engine/gpu/kernelChecks.js';
import { GpuPreprocessor } from '../../../models/images/gpuPreprocess.js';
import { prepareImage } from '../../../models/images/preparedImage.js';
import {
  boxCrop,
  denormalise,
  IMAGE_DEVIATION,
  IMAGE_MEAN,
  sampleTrainCrop,
  testCrop,
} from '../../../models/images/preprocess.js';
import { preprocessFault } from '../../../models/images/preprocessFault.js';
import { cropOnCpu } from '../../../models/images/resample.js';
import type { Crop, PreparedImage, RgbImage } from '../../../models/images/types.js';
import { Random } from '../../../models/random.js';
import { countCreations } from '../../helpers/creations.js';
import {
  describeWithShared,
  readPreprocessCases,
  readRawTensors,
  sharedFolder,
} from '../../helpers/shared.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';

interface Cropped {
  readonly image: RgbImage;
  readonly crop: Crop;
}
const prepare = (images: readonly Cropped[]) => images.map(({ image, crop }) => prepareImage(image, crop));

const gpu = await openGpu().catch((error: unknown) => {
  if (!(error instanceof UserError)) throw error;
  console.warn(`skipped: ${error.message}`);
  return undefined;
});

describe.skipIf(!gpu)('GpuPreprocessor', () => {
  let bench: Bench;
  beforeAll(() => {
    bench = new Bench(gpu!);
  });
  afterAll(() => gpu!.destroy());

  /** Runs the images and compares each with the CPU reference, byte for byte; slots beyond them must stay poisoned. */
  async function check(preprocessor: GpuPreprocessor, images: Cropped[], size: number, batch: number) {
    const target = bench.target(batch * 3 * size * size);
    preprocessor.submit(prepare(images), target);
    const result = await bench.read(target);
    const plane = 3 * size * size;
    for (const [slot, { image, crop }] of images.entries()) {
      const bytes = denormalise(result.subarray(slot * plane, (slot + 1) * plane));
      const context = `${image.width} x ${image.height} ${JSON.stringify(crop)}`;
      expect(Buffer.compare(bytes, cropOnCpu(image, crop)), context).toBe(0);
    }
    expect(result.subarray(images.length * plane).every(Number.isNaN)).toBe(true);
    target.destroy();
    return result;
  }

  it('leaves images as they are that the CPU has resized, to the same values', async () => {
    const preprocessor = await GpuPreprocessor.create(gpu!, { size: 16, batch: 4 });
    const random = Random.of(3, 'large images');
    const sizes: [number, number][] = [
      [200, 150],
      [31, 400],
      [400, 31],
      [90, 90],
    ];
    const images = sizes.map(([width, height], i) => {
      const image = syntheticImage(width, height);
      const crop = i === 0 ? testCrop(width, height, 16) : sampleTrainCrop(random, width, height, 16);
      return { image, crop };
    });
    const run = async (sourceBytes?: number) => {
      const prepared = images.map(({ image, crop }) => prepareImage(image, crop, sourceBytes));
      const target = bench.target(4 * 3 * 16 * 16);
      preprocessor.submit(prepared, target);
      const values = await bench.read(target);
      target.destroy();
      return { values, bytes: prepared.map(({ source }) => source.length) };
    };
    const [whole, resized] = [await run(), await run(16 * 16 * 3)];
    expect(resized.values).toEqual(whole.values);
    expect(resized.bytes).toEqual(Array(4).fill(16 * 16 * 3));
    expect(Math.min(...whole.bytes)).toBeGreaterThan(16 * 16 * 3);
    preprocessor.destroy();
  });

  it('is tried once on a device with checks, and refused when it makes another image', async () => {
    const kept: Record<string, string> = {};
    const store = {
      get: (hash: string) => kept[hash],
      set: (more: object) => void Object.assign(kept, more),
    };
    const checked = Object.create(gpu!) as Gpu;
    attachChecks(checked, new KernelChecks(gpu!, store));
    const preprocessor = await GpuPreprocessor.create(checked, { size: 24, batch: 2 });
    expect([checksOf(checked)!.tried, Object.values(kept)]).toEqual([1, ['']]);
    (await GpuPreprocessor.create(checked, { size: 24, batch: 3 })).destroy();
    expect(checksOf(checked)!.tried).toBe(1);
    // The same image, but as another crop of it.
    const wrong = {
      submit: (images: readonly PreparedImage[], target: GPUBuffer) => {
        const { source } = images[0]!;
        preprocessor.submit([{ ...images[0]!, source: source.map((byte) => byte ^ 1) }], target);
      },
    };
    expect(await preprocessFault(gpu!, wrong, { size: 24, batch: 2 })).toMatch(/^byte \d+/);
    expect(await preprocessFault(gpu!, preprocessor, { size: 24, batch: 2 })).toBeUndefined();
    preprocessor.destroy();
  });

  it('equals the reference for odd sizes, up and down, in one batch', async () => {
    const random = new Random(7);
    const sizes: [number, number][] = [
      [1, 1],
      [1, 37],
      [41, 1],
      [7, 11],
      [3, 200],
      [211, 5],
      [13, 13],
      [97, 61],
      [64, 127],
    ];
    for (const size of [5, 13, 48]) {
      const preprocessor = await GpuPreprocessor.create(gpu!, { size, batch: 20 });
      const images = sizes.flatMap(([width, height], i) => {
        const image = syntheticImage(width, height, i + 1);
        return [
          { image, crop: testCrop(width, height, size) },
          { image, crop: sampleTrainCrop(random, width, height, size) },
        ];
      });
      await check(preprocessor, images, size, 20);
      preprocessor.destroy();
    }
  });

  it('normalises as torch does', async () => {
    const preprocessor = await GpuPreprocessor.create(gpu!, { size: 4, batch: 1 });
    const image = { width: 4, height: 4, data: new Uint8Array(48).map((_, i) => i * 5) };
    const planes = await check(preprocessor, [{ image, crop: testCrop(4, 4, 4) }], 4, 1);
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < 16; pixel++) {
        const value =
          (image.data[pixel * 3 + channel]! / 255 - IMAGE_MEAN[channel]!) / IMAGE_DEVIATION[channel]!;
        expect(Math.abs(planes[channel * 16 + pixel]! - value)).toBeLessThan(1e-6);
      }
    preprocessor.destroy();
  });

  it('makes nothing in a steady state, and grows when an image needs more', async () => {
    const preprocessor = await GpuPreprocessor.create(gpu!, { size: 8, batch: 3, maxPixels: 32 * 32 });
    const batch = (edge: number, count: number) =>
      Array.from({ length: count }, (_, i) => ({
        image: syntheticImage(edge + i, edge, i),
        crop: boxCrop({ left: i, top: 1, width: edge - 1, height: edge - 2, flip: i % 2 === 1 }, 8),
      }));
    const target = bench.target(3 * 3 * 64);
    preprocessor.submit(prepare(batch(30, 3)), target);
    const made = countCreations(bench.gpu);
    for (const edge of [20, 31, 9]) preprocessor.submit(prepare(batch(edge, 3)), target);
    preprocessor.submit(prepare(batch(25, 2)), target);
    expect(made()).toEqual({ buffers: 0, bindGroups: 0, pipelines: 0 });
    expect(preprocessor.growths).toBe(0);

    await check(preprocessor, batch(90, 3), 8, 3);
    const grown = preprocessor.growths;
    expect(grown).toBeGreaterThan(0);
    await check(preprocessor, batch(30, 2), 8, 3);
    await check(preprocessor, batch(90, 3), 8, 3);
    expect(preprocessor.growths).toBe(grown);
    preprocessor.destroy();
    target.destroy();
  });

  it('works through a batch in parts when it is larger than a buffer may be', async () => {
    const limited = bench.withBindingLimit(16 * 1024);
    const preprocessor = await GpuPreprocessor.create(limited, { size: 8, batch: 6 });
    const images = [60, 61, 40, 62, 10, 63].map((edge, i) => {
      const image = syntheticImage(edge, edge + 3, i);
      return { image, crop: testCrop(edge, edge + 3, 8) };
    });
    await check(preprocessor, images, 8, 6);
    const large = { image: syntheticImage(80, 90), crop: testCrop(80, 90, 8) };
    expect(() => preprocessor.submit(prepare([large]), bench.target(6 * 192))).toThrow(
      /80 x 90 pixels is too large/,
    );
    preprocessor.destroy();
  });

  it('refuses crops outside the image, of another size, and too many images', async () => {
    const preprocessor = await GpuPreprocessor.create(gpu!, { size: 8, batch: 1 });
    const image = syntheticImage(20, 20);
    const target = bench.target(192);
    const box = { left: 5, top: 0, width: 16, height: 20 };
    expect(() => prepareImage(image, boxCrop(box, 8))).toThrow(RangeError);
    const other = prepareImage(image, testCrop(20, 20, 9));
    expect(() => preprocessor.submit([other], target)).toThrow(RangeError);
    const two = [1, 2].map(() => ({ image, crop: testCrop(20, 20, 8) }));
    expect(() => preprocessor.submit(prepare(two), target)).toThrow(/2 images for a batch of 1/);
    preprocessor.destroy();
  });

  describeWithShared('goldens/preprocess', 'on the goldens', () => {
    it('equals Pillow', async () => {
      const expected = readRawTensors(`${sharedFolder}/goldens/preprocess/expected.safetensors`);
      for (const size of [224, 64]) {
        const jobs = readPreprocessCases().flatMap(({ file, width, height, test, train }) => {
          const image = { width, height, data: expected.get(`${file}.decoded`)!.data };
          return [
            ...test.map((s) => ({ name: `${file}.test.${s}`, image, crop: testCrop(width, height, s) })),
            ...train.map((box, i) => ({ name: `${file}.train.${i}`, image, crop: boxCrop(box, box.size) })),
          ].filter(({ crop }) => crop.size === size);
        });
        const preprocessor = await GpuPreprocessor.create(gpu!, { size, batch: jobs.length });
        const target = bench.target(jobs.length * 3 * size * size);
        preprocessor.submit(prepare(jobs), target);
        const result = await bench.read(target);
        const plane = 3 * size * size;
        for (const [slot, { name }] of jobs.entries()) {
          const bytes = denormalise(result.subarray(slot * plane, (slot + 1) * plane));
          expect(Buffer.compare(bytes, expected.get(name)!.data), name).toBe(0);
        }
        preprocessor.destroy();
      }
    });
  });
});

/** What the tests need of a device beside the preprocessor itself. */
class Bench {
  constructor(readonly gpu: Gpu) {}

  /** A buffer of `length` floats, each NaN. */
  target(length: number): GPUBuffer {
    const { device } = this.gpu;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: length * 4, usage });
    device.queue.writeBuffer(buffer, 0, new Float32Array(length).fill(Number.NaN));
    return buffer;
  }

  async read(buffer: GPUBuffer): Promise<Float32Array> {
    const { device } = this.gpu;
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const copy = device.createBuffer({ size: buffer.size, usage });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
    device.queue.submit([encoder.finish()]);
    await this.gpu.wait(copy.mapAsync(GPUMapMode.READ));
    const result = new Float32Array(copy.getMappedRange().slice(0));
    copy.destroy();
    this.gpu.check();
    return result;
  }

  /** The same device under a smaller limit on storage bindings. */
  withBindingLimit(bytes: number): Gpu {
    const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: bytes };
    const device = new Proxy(this.gpu.device, {
      get: (real, key) => {
        if (key === 'limits') return limits;
        const value = Reflect.get(real, key, real);
        return typeof value === 'function' ? value.bind(real) : value;
      },
    });
    return Object.create(this.gpu, { device: { value: device } }) as Gpu;
  }
}
