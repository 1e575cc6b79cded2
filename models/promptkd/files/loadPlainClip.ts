/** Plain CLIP on the device, as a teacher without prompts. */
import { loadCheckpoint } from '../../checkpoints/load.js';
import { noteNames } from '../../checkpoints/official.js';
import type { ClipConfig } from '../../clip/config.js';
import { loadModel } from '../../clip/model.js';
import { PLAIN_TEMPLATE } from '../../clip/templates.js';
import type { Job } from '../../job.js';
import type { Teacher, Towers } from '../shared/teacher.js';

/** How plain CLIP is loaded. */
export interface PlainClipOptions extends Omit<Towers, 'onShape'> {
  /** Path; default: beside the checkpoint. */
  readonly tokenizer?: string;
  /** Class prompt with `{}` where the name goes (default: "a photo of a {}."). */
  readonly template?: string;
  /** Told the architecture before the weights are read. */
  readonly onConfig?: (config: ClipConfig) => void;
}

/** Uploads a CLIP, which is a teacher without prompts. */
export async function loadPlainClip(
  job: Job,
  clip: string,
  { tokenizer, template = PLAIN_TEMPLATE, vision, text, onConfig }: PlainClipOptions = {},
): Promise<Teacher> {
  const checkpoint = await loadCheckpoint(job.platform, clip);
  noteNames(job, checkpoint);
  const hashing = checkpoint.sha256();
  onConfig?.(checkpoint.config);
  const model = await loadModel(job.gpu, checkpoint, { precision: job.precision, vision, text });
  const clipHash = await hashing;
  return { model, prompts: { text: [], vision: [] }, template, clip, clipHash, tokenizer };
}
