/** A tuned teacher ready to use: a CLIP on the device with its prompts. */
import { UserError } from '../../../engine/index.js';
import type { Job } from '../../job.js';
import { promptVariables, requireFitting } from '../shared/prompts.js';
import { shapeOfTeacher, type Teacher, type Towers } from '../shared/teacher.js';
import { loadPlainClip } from './loadPlainClip.js';
import { openModel } from './modelFile.js';
import { loadTeacherCheckpoint } from './teacherCheckpoint.js';
import { readTeacher } from './teacherFile.js';

/**
 * A tuned teacher: of a stage-1 run, of an exported file, or of a checkpoint that the authors' PromptSRC or IVLP saved.
 *
 * @param clip the CLIP to take in place of the one that a run names; a checkpoint has whole towers, but takes token
 *   embeddings and tokenizer from it
 * @throws UserError when it cannot be read, or was tuned on another CLIP
 */
export async function loadTeacher(
  job: Job,
  path: string,
  clip?: string,
  towers: Towers = {},
): Promise<Teacher> {
  const { platform } = job;
  const model = await openModel(platform, path, 'teacher');
  if (model.from === 'checkpoint') return loadTeacherCheckpoint(job, model.checkpoint, clip, towers);
  const { prompts, template, clipHash, hash } = await readTeacher(platform, path);
  const plain = await loadPlainClip(job, clip ?? model.clip, {
    ...towers,
    template,
    tokenizer: model.tokenizer,
    onConfig: (config) => {
      const shapes = (tower: 'text' | 'vision') =>
        prompts[tower].map(({ length }) => ({ shape: [length / config[tower].width] }));
      towers.onShape?.(shapeOfTeacher(config, { text: shapes('text'), vision: shapes('vision') }));
    },
  });
  if (plain.clipHash !== clipHash)
    throw new UserError(
      `${plain.clip} is not the checkpoint that ${path} was tuned on: its SHA-256 differs`,
      'restore that checkpoint, or train the teacher again',
    );
  requireFitting(path, prompts, plain.model.config);
  return { ...plain, prompts: promptVariables(prompts, plain.model.config), hash };
}
