/** The file of a tuned teacher: its prompts and what they belong to. */
import { UserError } from '../../../engine/index.js';
import { encodeSafetensors, openSafetensors } from '../../checkpoints/safetensors.js';
import type { Checkpoint } from '../../checkpoints/tensors.js';
import type { ClipConfig } from '../../clip/config.js';
import type { Platform } from '../../platform.js';
import { parseNames } from '../classVectors/classVectors.js';
import { type PromptValues, readPrompts } from '../shared/prompts.js';

/** Name of the file in a run folder. */
export const TEACHER_FILE = 'teacher.safetensors';
/** `kind` in its metadata. */
export const TEACHER_KIND = 'promptkd teacher';

/** What the prompts belong to. */
export interface TeacherOrigin {
  /** Class prompt with `{}` where the name goes. */
  readonly template: string;
  /** Classes that it was tuned on. */
  readonly classNames: readonly string[];
  /** Path and SHA-256 of the CLIP checkpoint. */
  readonly clip: string;
  readonly clipHash: string;
}

/** A teacher as a file has it. */
export interface StoredTeacher extends TeacherOrigin {
  readonly prompts: PromptValues;
  /** SHA-256 of this file. */
  readonly hash: string;
}

/** The prompts as a safetensors file, `[length, width]` a tensor, float32. */
export function encodeTeacher(values: PromptValues, config: ClipConfig, origin: TeacherOrigin): Uint8Array {
  const entries = (['text', 'vision'] as const).flatMap((tower) =>
    values[tower].map((data, i) => {
      const { width } = config[tower];
      return { name: `${tower}.${i}`, dtype: 'F32' as const, shape: [data.length / width, width], data };
    }),
  );
  return encodeSafetensors(entries, {
    kind: TEACHER_KIND,
    template: origin.template,
    class_names: JSON.stringify(origin.classNames),
    clip: origin.clip,
    clip_sha256: origin.clipHash,
  });
}

/** Reads the teacher of a run folder. Throws `UserError` when the run has not finished. */
export async function readTeacher(platform: Platform, run: string): Promise<StoredTeacher> {
  return readTeacherFile(platform, platform.join(run, TEACHER_FILE), run);
}

/** Opens the file of a teacher's prompts at `path`; `run` is what the user gave, for messages. */
export async function openTeacherFile(platform: Platform, path: string, run: string): Promise<Checkpoint> {
  if (!(await platform.stat(path)))
    throw new UserError(
      `${run} has no ${TEACHER_FILE}: it is no finished stage-1 run`,
      'finish it with: promptkd teacher --resume, or give another run',
    );
  const file = await openSafetensors(platform, path);
  if (file.metadata.kind !== TEACHER_KIND)
    throw new UserError(`${path} was not written by stage 1`, 'give the folder of a teacher run');
  return file;
}

/** Reads what `encodeTeacher` wrote. */
export async function readTeacherFile(platform: Platform, path: string, run = path): Promise<StoredTeacher> {
  const file = await openTeacherFile(platform, path, run);
  const { metadata } = file;
  const classNames = parseNames(metadata.class_names ?? '[]');
  const { template = '' } = metadata;
  if (!classNames || !template.includes('{}'))
    throw new UserError(
      `${path}: its metadata has no ${classNames ? 'template with {}' : 'list of class names'}`,
      'restore the file, or train again',
    );
  return {
    prompts: { text: await readPrompts(file, 'text'), vision: await readPrompts(file, 'vision') },
    template,
    classNames,
    clip: metadata.clip ?? '',
    clipHash: metadata.clip_sha256 ?? '',
    hash: await platform.sha256(path),
  };
}
