/** Teachers and students that come as one file: our own exports, and what the authors' code saves. */
import { UserError } from '../../../engine/index.js';
import { type ClipCheckpoint, loadCheckpoint, openByContent } from '../../checkpoints/load.js';
import type { Platform } from '../../platform.js';
import { MERGED_KIND, STUDENT_KIND } from './studentFile.js';
import { TEACHER_KIND } from './teacherFile.js';

/** Prompts alone need their CLIP; a checkpoint has the towers in it. */
export type ModelFile =
  | { readonly kind: 'teacher' | 'student'; readonly from: 'prompts' }
  | {
      readonly kind: 'teacher' | 'student';
      readonly from: 'checkpoint';
      readonly checkpoint: ClipCheckpoint;
    };

/**
 * What the file at `path` is, told by its content.
 *
 * @throws UserError when it is neither a teacher nor a student
 */
export async function openModelFile(platform: Platform, path: string): Promise<ModelFile> {
  const { metadata, tensors } = await openByContent(platform, path);
  if (metadata.kind === TEACHER_KIND) return { kind: 'teacher', from: 'prompts' };
  if (metadata.kind === STUDENT_KIND) return { kind: 'student', from: 'prompts' };
  if (tensors.has('class_vectors') && tensors.size === 1)
    throw new UserError(`${path} holds class vectors, no model`, 'give a run folder or an exported model');
  const checkpoint = await loadCheckpoint(platform, path);
  // A merged student may have no projection: its own text features classify.
  if (checkpoint.projection || metadata.kind === MERGED_KIND)
    return { kind: 'student', from: 'checkpoint', checkpoint };
  if (checkpoint.prompts && checkpoint.config.text.width > 0)
    return { kind: 'teacher', from: 'checkpoint', checkpoint };
  throw new UserError(
    `${path} holds no learned prompts: it is a plain CLIP`,
    'give it with --clip, or give a tuned teacher or a distilled student',
  );
}

/** Whether a path is a file; run folders and what does not exist are not. */
export const isFile = async (platform: Platform, path: string): Promise<boolean> =>
  (await platform.stat(path))?.kind === 'file';
