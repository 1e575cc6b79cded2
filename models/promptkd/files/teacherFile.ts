/** The file of a tuned teacher: its prompts and what they belong to. */
import { UserError } from '../../../engine/index.js';
import { encodeSafetensors } from '../../../formats/safetensors.js';
import type { ClipConfig } from '../../clip/config.js';
import type { Platform } from '../../platform.js';
import { parseNames } from '../classVectors/classVectors.js';
import { type PromptValues, readPrompts } from '../shared/prompts.js';
import { openLearned, TEACHER_KIND } from './learnedFile.js';

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

/** Reads what `encodeTeacher` wrote, of a run folder or of the file itself. Throws `UserError` when the run has not finished. */
export async function readTeacher(platform: Platform, run: string): Promise<StoredTeacher> {
  const file = await openLearned(platform, run, 'teacher');
  const { path, metadata } = file;
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
