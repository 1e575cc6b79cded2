/** A teacher: a CLIP on the device with its tuned prompts, or plain CLIP; and its shape, which plans need. */
import type { ClipConfig } from '../../clip/config.js';
import type { ClipModel } from '../../clip/model.js';
import { defaultTeacher } from './defaults.js';
import { type ByTower, byTower, type PromptSize, type Prompts, promptSizes } from './prompts.js';

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
export interface TeacherShape extends ByTower<PromptSize> {
  readonly config: ClipConfig;
}

/** The shape of a teacher whose prompts are `text` and `vision`: tensors of `[length, width]` each. */
export const shapeOfTeacher = (
  config: ClipConfig,
  prompts: ByTower<readonly { readonly shape: readonly number[] }[]>,
): TeacherShape => ({
  config,
  ...byTower((tower) => ({ depth: prompts[tower].length, length: prompts[tower][0]?.shape[0] ?? 0 })),
});

/** The shape of a teacher that stage 1 tunes with its defaults. */
export const usualTeacher = (config: ClipConfig): TeacherShape => ({
  config,
  ...promptSizes(defaultTeacher(config)),
});
