/** Compares the features of checkpoints in several formats with reference numbers. */
import { input, Plan, UserError, write } from '../../engine/index.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../models/checkpoints/load.js';
import { type ClipModel, loadModel } from '../../models/clip/model.js';
import { encodeSequences } from '../../models/clip/textEncoder.js';
import { encodeImages } from '../../models/clip/vision.js';
import type { Job } from '../../models/job.js';
import type { Platform } from '../../models/platform.js';
import { type Prompts, promptVariables } from '../../models/promptkd/shared/prompts.js';
import { failed, item, relativeError, skipped, TOLERANCE, type VerifyItem } from './item.js';
import { ReferenceTensors } from './tensors.js';

/** The file of expected features in a formats folder. */
export const REFERENCE_FILE = 'tensors.safetensors';
const NO_CHECKPOINT = /\.(json|ya?ml|md|txt|gz|py|npy|npz|png|jpe?g)$|^(readme|license)$/i;
const SHARD = /-\d+-of-\d+\.\w+$/;
const INDEX = /\.index\.json$/;

/** Checkpoints in a folder: files that may be one, and sub-folders. */
export async function listCheckpoints(platform: Platform, folder: string): Promise<string[]> {
  const entries = await platform.list(folder);
  return entries
    .filter(
      ({ name, kind }) =>
        kind === 'folder' ||
        INDEX.test(name) ||
        (name !== REFERENCE_FILE && !NO_CHECKPOINT.test(name) && !SHARD.test(name)),
    )
    .map(({ name }) => name);
}

/**
 * For each checkpoint its image and text features, not normalised; with its own prompts where it has some. All hold one
 * CLIP: a checkpoint without token embeddings takes those of a complete one in the same folder, and one that does not say
 * its activation (only configs do) takes that of those that do.
 */
export async function verifyFormats(
  job: Job,
  folder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<VerifyItem[]> {
  const { platform } = job;
  const reference = await ReferenceTensors.open(platform, platform.join(folder, REFERENCE_FILE));
  const names = await listCheckpoints(platform, folder);
  const opened = new Map<string, ClipCheckpoint | UserError>();
  for (const name of names)
    opened.set(name, await attempt(() => loadCheckpoint(platform, platform.join(folder, name))));
  const readable = [...opened.values()].filter(
    (found): found is ClipCheckpoint => !(found instanceof UserError),
  );
  const complete = readable.filter(({ config }) => config.text.vocabulary > 0);
  const said = new Map(
    readable
      .filter((found) => !found.activationAssumed)
      .map(({ config: { activation, layerNormEps } }) => [
        `${activation} ${layerNormEps}`,
        { activation, layerNormEps },
      ]),
  );
  const known = said.size === 1 ? [...said.values()][0] : undefined;
  const items: VerifyItem[] = [];
  for (const [i, [name, found]] of [...opened].entries()) {
    if (found instanceof UserError) items.push(unreadable(name, found));
    else {
      const checkpoint =
        found.activationAssumed && known ? { ...found, config: { ...found.config, ...known } } : found;
      const result = await attempt(() => verifyCheckpoint(job, name, checkpoint, complete, reference));
      items.push(...(result instanceof UserError ? [unreadable(name, result)] : result));
    }
    onProgress(i + 1, opened.size);
  }
  return items;
}

/** The result, or the error in the user's file. Other errors are rethrown. */
async function attempt<T>(run: () => Promise<T>): Promise<T | UserError> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

const unreadable = (name: string, { message }: UserError): VerifyItem =>
  /\bnot supported yet\b/.test(message) ? skipped(name, message) : failed(name, message);

async function verifyCheckpoint(
  job: Job,
  name: string,
  checkpoint: ClipCheckpoint,
  complete: readonly ClipCheckpoint[],
  reference: ReferenceTensors,
): Promise<VerifyItem[]> {
  const { text } = checkpoint.config;
  const model = await loadModel(job.gpu, checkpoint, { text: text.width > 0 });
  try {
    const prompts = await readPrompts(checkpoint);
    const prefix = prompts ? 'prompted_' : '';
    const towers: [kind: string, run: () => Promise<Float32Array>][] = [
      [`${prefix}image_features`, () => imageFeatures(job, model, reference, prompts?.vision)],
      [`${prefix}text_features`, () => textFeatures(job, model, complete, reference, prompts?.text)],
    ];
    const items: VerifyItem[] = [];
    for (const [kind, run] of towers) {
      const label = `${name}.${kind}`;
      if (!reference.has(`expect.${kind}`)) items.push(skipped(label, `the reference has no expect.${kind}`));
      else if (kind.endsWith('text_features') && text.width === 0)
        items.push(skipped(label, 'the checkpoint has no text tower'));
      else
        items.push(
          item(label, relativeError(await run(), await reference.floats(`expect.${kind}`)), TOLERANCE),
        );
    }
    return items;
  } finally {
    model.release();
  }
}

/** The checkpoint's own prompts on the device. */
async function readPrompts({ prompts, config }: ClipCheckpoint): Promise<Prompts | undefined> {
  if (!prompts) return undefined;
  const read = (tensors: typeof prompts.text) => Promise.all(tensors.map((tensor) => tensor.read()));
  return promptVariables({ text: await read(prompts.text), vision: await read(prompts.vision) }, config);
}

async function imageFeatures(
  { gpu }: Job,
  model: ClipModel,
  reference: ReferenceTensors,
  prompts: Prompts['vision'] = [],
): Promise<Float32Array> {
  const shape = reference.shape('given.images');
  requireResolution(model, shape);
  const images = input(shape, 'images');
  const features = encodeImages(model.weights, model.config, images, prompts);
  const plan = await Plan.compile(gpu, { outputs: [features] });
  write(gpu, images, await reference.floats('given.images'));
  plan.run();
  const values = await plan.read(features);
  plan.destroy();
  return values;
}

async function textFeatures(
  { gpu }: Job,
  model: ClipModel,
  complete: readonly ClipCheckpoint[],
  reference: ReferenceTensors,
  prompts: Prompts['text'] = [],
): Promise<Float32Array> {
  const donor = complete.find(({ config }) => config.text.width === model.config.text.width);
  const table = model.tokenTable ?? donor?.tensors.get('token_embedding.weight');
  const tokens = await reference.sequences('given.tokens');
  return encodeSequences(gpu, { ...model, ...(table && { tokenTable: table }) }, tokens, prompts);
}

/** Throws when images `[batch, 3, height, width]` are not of the size that the model takes. */
export function requireResolution(model: ClipModel, shape: readonly number[]): void {
  const { resolution } = model.config.vision;
  if (shape.length !== 4 || shape[1] !== 3 || shape[2] !== resolution || shape[3] !== resolution)
    throw new UserError(
      `${model.checkpoint.path} takes images of ${resolution} x ${resolution}, the reference has [${shape.join(', ')}]`,
      'use images of the size of every model in the folder',
    );
}
