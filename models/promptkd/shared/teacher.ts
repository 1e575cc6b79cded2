/** A teacher: a CLIP on the device with its tuned prompts, or plain CLIP; and its shape, which plans need. */
import type { ClipConfig } from '../../clip/config.js';
import type { ClipModel } from '../../clip/model.js';
import { defaultTeacher } from './defaults.js';
import type { PromptSize, Prompts } from './prompts.js';

/** A teacher ready to use. */
export interface Teacher {
  readonly model: ClipModel;
  readonly prompts: Prompts;
  /** Class prompt with `{}` where the name goes. */
  readonly template: string;
  /** Path of the CLIP. */
  readonly clip: string;
  /** Path of the tokenizer, where it is not beside the CLIP. */
  readonly tokenizer?: string;
  readonly clipHash: string;
  /** SHA-256 of the tuned prompts; absent for plain CLIP. */
  readonly hash?: string;
}

/** Which towers of a teacher are uploaded (default: both). */
export interface Towers {
  readonly vision?: boolean;
  readonly text?: boolean;
  /** Told the teacher's shape before its weights are read, which takes long: kernels can be made meanwhile. */
  readonly onShape?: (shape: TeacherShape) => void;
}

/** What of a teacher decides the plans of stage 2. */
export interface TeacherShape {
  readonly config: ClipConfig;
  readonly text: PromptSize;
  readonly vision: PromptSize;
}

/** The shape of a teacher whose prompts are `text` and `vision`: tensors of `[length, width]` each. */
export function shapeOfTeacher(
  config: ClipConfig,
  prompts: { readonly [tower in 'text' | 'vision']: readonly { readonly shape: readonly number[] }[] },
): TeacherShape {
  const size = (tower: 'text' | 'vision'): PromptSize => ({
    depth: prompts[tower].length,
    length: prompts[tower][0]?.shape[0] ?? 0,
  });
  return { config, text: size('text'), vision: size('vision') };
}

/** The shape of a teacher that stage 1 tunes with its defaults. */
export function usualTeacher(config: ClipConfig): TeacherShape {
  const { textDepth, textLength, visionDepth, visionLength } = defaultTeacher(config);
  return {
    config,
    text: { depth: textDepth, length: textLength },
    vision: { depth: visionDepth, length: visionLength },
  };
}
