/** The file of what a run has learned, in its folder or exported alone. */
import { UserError } from '../../../engine/index.js';
import { openSafetensors } from '../../../formats/safetensors.js';
import type { Checkpoint } from '../../../formats/tensors.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import type { Platform } from '../../platform.js';

/** What is learned: prompts by stage 1, a student by stage 2. */
export type ModelKind = 'teacher' | 'student';

/** A tuned teacher's file in its run folder. */
export const TEACHER_FILE = 'teacher.safetensors';
/** A distilled student's. */
export const STUDENT_FILE = 'student.safetensors';
/** `kind` in the metadata of the teacher's. */
export const TEACHER_KIND = 'promptkd teacher';
/** `kind` in the metadata of the student's. */
export const STUDENT_KIND = 'promptkd student';

const STAGES = {
  teacher: { stage: 1, command: 'promptkd teacher', file: TEACHER_FILE, kind: TEACHER_KIND },
  student: { stage: 2, command: 'promptkd distill', file: STUDENT_FILE, kind: STUDENT_KIND },
} as const;

/** Whether a path is a file; run folders and what does not exist are not. */
export const isFile = async (platform: Platform, path: string): Promise<boolean> =>
  (await platform.stat(path))?.kind === 'file';

/**
 * Opens that file; its values are not read.
 *
 * @param path run folder, or the file itself
 * @throws UserError when the run has not finished, or the file is of another kind
 */
export async function openLearned(
  platform: Platform,
  path: string,
  modelKind: ModelKind,
): Promise<Checkpoint> {
  const { stage, command, file, kind } = STAGES[modelKind];
  const at = (await isFile(platform, path)) ? path : platform.join(path, file);
  if (!(await platform.stat(at)))
    throw new UserError(
      `${path} has no ${file}: it is not a finished stage-${stage} run`,
      `finish it with: ${command} --resume, or give another run`,
    );
  const opened = await openSafetensors(platform, at);
  if (opened.metadata.kind !== kind)
    throw new UserError(`${at} was not written by stage ${stage}`, `give the folder of a ${modelKind} run`);
  return opened;
}

/** The CLIP that `model` was made with. @throws UserError when it is another one than then */
export async function openFrozenClip(
  platform: Platform,
  clip: string,
  clipHash: string | undefined,
  model: string,
): Promise<ClipCheckpoint> {
  const checkpoint = await loadCheckpoint(platform, clip);
  if ((await checkpoint.sha256()) !== clipHash)
    throw new UserError(
      `${checkpoint.path} is not the checkpoint that ${model} was made with: its SHA-256 differs`,
      'restore that checkpoint',
    );
  return checkpoint;
}
