/**
 * Teachers as the authors' PromptSRC and IVLP save them: both whole towers, whose weights differ a little from OpenAI's
 * (their averaging over epochs rounds in float16), the prompts, and neither token embeddings nor a tokenizer.
 */
import { UserError } from '../../../engine/index.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import { noteNames } from '../../checkpoints/official.js';
import type { ClipConfig } from '../../clip/config.js';
import { loadModel } from '../../clip/model.js';
import type { Job } from '../../job.js';
import { contextWords } from '../shared/contextWords.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import { promptVariables } from '../shared/prompts.js';
import { shapeOfTeacher, type Teacher, type Towers } from '../shared/teacher.js';

/** The words that the published teachers start from; their checkpoints do not say. */
const CONTEXT_INIT = 'a photo of a';

/**
 * Uploads such a teacher.
 *
 * @param clip the CLIP that the teacher was tuned from: a folder with its checkpoint and tokenizer
 * @throws UserError when `clip` is missing or of another architecture
 */
export async function loadTeacherCheckpoint(
  job: Job,
  checkpoint: ClipCheckpoint,
  clip: string | undefined,
  towers: Towers = {},
): Promise<Teacher> {
  const { platform } = job;
  if (clip === undefined)
    throw new UserError(
      `${checkpoint.path} has no token embeddings and no tokenizer: they come from the CLIP that was tuned`,
      'give that CLIP with --teacher-clip FOLDER',
    );
  const donor = await loadCheckpoint(platform, clip);
  requireSameClip(checkpoint, donor);
  for (const each of [checkpoint, donor]) noteNames(job, each);
  const { prompts = { text: [], vision: [] }, config, metadata } = checkpoint;
  const tokenizer = await openTokenizer(platform, { clip });
  const shape = shapeOfTeacher(config, prompts);
  const template = metadata.template ?? contextWords(tokenizer, CONTEXT_INIT, shape.text.length).template;
  const values = async (tower: 'text' | 'vision') =>
    Promise.all(prompts[tower].map((tensor) => tensor.read()));
  const tokenTable = donor.tensors.get('token_embedding.weight')!;
  const hashing = [donor.sha256(), checkpoint.sha256()] as const;
  towers.onShape?.(shape);
  const model = await loadModel(job.gpu, checkpoint, { precision: job.precision, ...towers });
  return {
    model: { ...model, tokenTable },
    prompts: promptVariables({ text: await values('text'), vision: await values('vision') }, config),
    template,
    clip,
    clipHash: await hashing[0],
    hash: await hashing[1],
  };
}

/** Shapes must agree, or tokens would be looked up in another model's table. */
function requireSameClip(checkpoint: ClipCheckpoint, donor: ClipCheckpoint): void {
  const hint = `give the CLIP that ${checkpoint.path} was tuned from with --teacher-clip`;
  if (donor.config.text.vocabulary === 0)
    throw new UserError(`${donor.path} has no token embeddings either`, hint);
  const own = sizesOf(checkpoint.config);
  for (const [field, size] of Object.entries(sizesOf(donor.config)))
    if (own[field] !== size)
      throw new UserError(
        `${donor.path} has ${field} ${size}, but ${checkpoint.path} has ${own[field]}`,
        hint,
      );
}

const sizesOf = ({ text, vision, embed, activation }: ClipConfig): Record<string, number | string> => ({
  'text width': text.width,
  'text layers': text.layers,
  'context length': text.contextLength,
  'vision width': vision.width,
  'vision layers': vision.layers,
  'image size': vision.resolution,
  'embedding size': embed,
  activation,
});
