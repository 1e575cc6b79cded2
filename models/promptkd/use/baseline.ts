/** What a trained model is compared with: the plain CLIP that it was made of, with the same class prompts. */
import type { Platform } from '../../platform.js';
import { readRunConfig, runKind } from '../../runs/runFolder.js';
import { readClassVectors } from '../classVectors/classVectors.js';
import { isFile, openModelFile } from '../files/modelFile.js';
import { CLASS_VECTORS_FILE, readStudentFile } from '../files/studentFile.js';
import { readTeacher, readTeacherFile } from '../files/teacherFile.js';

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
  if (await isFile(platform, path)) {
    const file = await openModelFile(platform, path);
    if (file.from === 'checkpoint') return undefined;
    if (file.kind === 'teacher') {
      const { clip, template } = await readTeacherFile(platform, path);
      return { clip, template };
    }
    const { clip } = await readStudentFile(platform, path);
    return { clip, template: (await readClassVectors(platform, path)).template || undefined };
  }
  const kind = await runKind(platform, path);
  if (kind !== 'teacher' && kind !== 'student') return undefined;
  const { clip, tokenizer } = await readRunConfig(platform, path, kind);
  const { template } =
    kind === 'teacher'
      ? await readTeacher(platform, path)
      : await readClassVectors(platform, platform.join(path, CLASS_VECTORS_FILE));
  return {
    clip: String(clip),
    ...(tokenizer !== undefined && { tokenizer: String(tokenizer) }),
    ...(template && { template }),
  };
}
