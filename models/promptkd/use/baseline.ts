/** What a trained model is compared with: the plain CLIP that it was made of, with the same class prompts. */
import type { Platform } from '../../platform.js';
import { readClassVectors } from '../classVectors/classVectors.js';
import { findModel } from '../files/modelFile.js';
import { CLASS_VECTORS_FILE } from '../files/studentFile.js';
import { readTeacher } from '../files/teacherFile.js';

/** A plain CLIP and how it classifies. */
export interface Baseline {
  /** Path of the CLIP. */
  readonly clip: string;
  readonly tokenizer?: string;
  /** Class prompt with `{}` where the name goes. */
  readonly template?: string;
}

/**
 * The plain CLIP of a run or of an exported file that names one; undefined for checkpoints that hold whole towers.
 *
 * @throws UserError when the run or file cannot be read
 */
export async function baselineOf(platform: Platform, path: string): Promise<Baseline | undefined> {
  const model = await findModel(platform, path);
  if (!model || model.from === 'checkpoint') return undefined;
  const vectors = model.from === 'run' ? platform.join(path, CLASS_VECTORS_FILE) : path;
  const { template } =
    model.kind === 'teacher' ? await readTeacher(platform, path) : await readClassVectors(platform, vectors);
  const { clip, tokenizer } = model;
  return { clip, tokenizer, template: template || undefined };
}
