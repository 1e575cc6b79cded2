/** Compares both training stages with a reference case: `case.json`, two models and tensors. */
import { encodeSequences } from '../../models/clip/textEncoder.js';
import { encodeImages } from '../../models/clip/vision.js';
import type { Job } from '../../models/job.js';
import { normalizeRows } from '../../models/promptkd/classVectors/classVectors.js';
import { CaseContext, prefixed } from './caseContext.js';
import { verifyStage1 } from './caseStage1.js';
import { verifyStage2 } from './caseStage2.js';
import { compareGroup, item, type VerifyItem } from './item.js';

/**
 * Plain CLIP of both models, then stage 1, then stage 2 with the prompts that stage 1 gave here.
 *
 * @throws UserError when the folder is incomplete
 */
export async function verifyTrainingCase(
  job: Job,
  folder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<VerifyItem[]> {
  const context = await CaseContext.open(job, folder, onProgress);
  try {
    const items = [...(await plainClip(context, 'teacher')), ...(await plainClip(context, 'student'))];
    const stage1 = await verifyStage1(context);
    context.advance();
    items.push(...stage1.items, ...(await verifyStage2(context, stage1.prompts)));
    return job.precision === 'f16' ? halfItems(items) : items;
  } finally {
    context.release();
  }
}

/** How far a step's loss may be from the reference's when weights, and on tensor cores activations, are float16. */
const HALF_TOLERANCE = 1e-2;

/** What float16 is held to: the whole loss of every step of both stages. */
const halfItems = (items: readonly VerifyItem[]): VerifyItem[] =>
  items
    .filter(({ name }) => /^losses\..*\.(total|loss)$/.test(name))
    .map(({ name, error, measure }) => item(name, error, HALF_TOLERANCE, measure));

/** CLIP without prompts: features of both towers, not normalised, and logits; of the images alone without a text tower. */
async function plainClip(context: CaseContext, name: 'teacher' | 'student'): Promise<VerifyItem[]> {
  const { gpu, tensors, [name]: model } = context;
  const image = await context.onImages('given.test.images', model, (images) =>
    encodeImages(model.weights, model.config, images),
  );
  const { embed } = model.config;
  const found = new Map([['image_features', image]]);
  if (model.config.text.width > 0) {
    const text = await encodeSequences(gpu, model, await tensors.sequences('given.plain_tokens'));
    found.set('text_features', text);
    found.set('logits_per_image', logitsPerImage(image, text, embed, model.logitScale));
  }
  context.advance();
  const prefix = `expect.clip.${name}`;
  const expected = await tensors.group(prefix);
  // Each is its own group: features and logits have nothing to do with each other's size.
  return [...expected].flatMap(([part, values]) =>
    prefixed(prefix, compareGroup(found, new Map([[part, values]]))),
  );
}

/** `scale * cosine` of every image with every text, `[images, texts]`, in float64 inside. */
function logitsPerImage(image: Float32Array, text: Float32Array, embed: number, scale: number): Float32Array {
  const [a, b] = [normalizeRows(image, embed), normalizeRows(text, embed)];
  const [rows, columns] = [a.length / embed, b.length / embed];
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns) * embed, (i % columns) * embed];
    let dot = 0;
    for (let e = 0; e < embed; e++) dot += a[row + e]! * b[column + e]!;
    return scale * dot;
  });
}
