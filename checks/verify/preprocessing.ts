/** Compares image decoding and CLIP's transforms with Pillow's: `cases.json`, image files and expected bytes. */
import * as v from 'valibot';
import { input, leafBuffer, readLeaf, release, type Tensor, UserError } from '../../engine/index.js';
import { GpuPreprocessor } from '../../models/images/gpuPreprocess.js';
import { prepareImage } from '../../models/images/preparedImage.js';
import { boxCrop, denormalise, testCrop } from '../../models/images/preprocess.js';
import type { Crop, RgbImage } from '../../models/images/types.js';
import type { Job } from '../../models/job.js';
import { failed, item, type VerifyItem } from './item.js';
import { checkJson, readJson } from './json.js';
import { ReferenceTensors } from './tensors.js';

/** Share of bytes that may differ from Pillow's, by how much, and the mean difference allowed from files. */
const DIFFERING_BYTES = 1e-3;
const LARGEST_DIFFERENCE = 1;
const MEAN_DIFFERENCE = 1;

const Pixels = v.pipe(v.number(), v.integer(), v.minValue(1));
const Start = v.pipe(v.number(), v.integer(), v.minValue(0));
const CasesSchema = v.pipe(
  v.array(
    v.object({
      file: v.string(),
      width: Pixels,
      height: Pixels,
      /** Edges of the test transform. */
      test: v.array(Pixels),
      train: v.array(
        v.object({ left: Start, top: Start, width: Pixels, height: Pixels, flip: v.boolean(), size: Pixels }),
      ),
    }),
  ),
  v.minLength(1),
);
type Case = v.InferOutput<typeof CasesSchema>[number];

/**
 * For each file: its decoded pixels, each crop made of the reference's decoded pixels (nearly every byte equal, none off
 * by more than 1), and each crop made of the file (where decoders may differ by a rounding).
 */
export async function verifyPreprocessing(
  job: Job,
  folder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<VerifyItem[]> {
  const { platform } = job;
  const file = platform.join(folder, 'cases.json');
  const cases = checkJson(CasesSchema, await readJson(platform, file), file);
  const expected = await ReferenceTensors.open(platform, platform.join(folder, 'expected.safetensors'));
  const croppers = new Croppers(job);
  const items: VerifyItem[] = [];
  try {
    for (const [i, given] of cases.entries()) {
      items.push(...(await verifyCase(job, folder, given, expected, croppers)));
      onProgress(i + 1, cases.length);
    }
  } finally {
    croppers.destroy();
  }
  return items;
}

async function verifyCase(
  { platform }: Job,
  folder: string,
  given: Case,
  expected: ReferenceTensors,
  croppers: Croppers,
): Promise<VerifyItem[]> {
  const { file, width, height } = given;
  const reference = { width, height, data: Uint8Array.from(await expected.integers(`${file}.decoded`)) };
  const crops = [
    ...given.test.map((size) => ({ name: `${file}.test.${size}`, crop: testCrop(width, height, size) })),
    ...given.train.map(({ size, ...box }, i) => ({ name: `${file}.train.${i}`, crop: boxCrop(box, size) })),
  ];
  const items: VerifyItem[] = [];
  const decoded = await decode(() => platform.decodeImage(platform.join(folder, file)));
  const sameSize = typeof decoded !== 'string' && decoded.width === width && decoded.height === height;
  if (sameSize) items.push(meanItem(`${file}.decode`, decoded.data, reference.data));
  else
    items.push(
      failed(
        `${file}.decode`,
        typeof decoded === 'string' ? decoded : `decoded as ${decoded.width} x ${decoded.height}`,
        MEAN_DIFFERENCE,
      ),
    );
  for (const { name, crop } of crops) {
    const bytes = await expected.integers(name);
    items.push(...byteItems(name, await croppers.run(reference, crop), bytes));
    if (sameSize) items.push(meanItem(`${name} from file`, await croppers.run(decoded, crop), bytes));
  }
  return items;
}

/** The image, or why it cannot be read. */
async function decode(read: () => Promise<RgbImage>): Promise<RgbImage | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

function byteItems(name: string, found: ArrayLike<number>, expected: ArrayLike<number>): VerifyItem[] {
  const { differing, largest } = differences(found, expected);
  return [
    item(name, differing / expected.length, DIFFERING_BYTES, 'share of bytes that differ'),
    item(`${name}.largest`, largest, LARGEST_DIFFERENCE, 'largest difference in levels'),
  ];
}

function meanItem(name: string, found: ArrayLike<number>, expected: ArrayLike<number>): VerifyItem {
  const { total } = differences(found, expected);
  return item(name, total / expected.length, MEAN_DIFFERENCE, 'mean difference in levels');
}

function differences(found: ArrayLike<number>, expected: ArrayLike<number>) {
  let [differing, largest, total] = [0, 0, 0];
  if (found.length !== expected.length) total = largest = differing = Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    total += difference;
    if (difference !== 0) differing++;
    // Not Math.max alone: NaN must not pass.
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return { differing, largest, total };
}

/** GPU preprocessors by the size of their result, one image at a time. */
class Croppers {
  private readonly bySize = new Map<number, { preprocessor: GpuPreprocessor; target: Tensor }>();

  constructor(private readonly job: Job) {}

  /** The crop as bytes `[size, size, 3]`, before normalisation. */
  async run(image: RgbImage, crop: Crop): Promise<Uint8Array> {
    const { gpu } = this.job;
    const { size } = crop;
    let cropper = this.bySize.get(size);
    if (!cropper) {
      const preprocessor = await GpuPreprocessor.create(gpu, { size, batch: 1 });
      cropper = { preprocessor, target: input([1, 3, size, size], `crop of ${size}`) };
      this.bySize.set(size, cropper);
    }
    cropper.preprocessor.submit([prepareImage(image, crop)], leafBuffer(gpu, cropper.target));
    return denormalise(await readLeaf(gpu, cropper.target));
  }

  destroy(): void {
    for (const { preprocessor, target } of this.bySize.values()) {
      preprocessor.destroy();
      release(this.job.gpu, target);
    }
  }
}
