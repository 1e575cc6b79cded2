/** A tuned teacher ready to use: a CLIP on the device with its prompts. */
import { UserError } from '../../../engine/index.js';
import type { Job } from '../../job.js';
import { readRunConfig } from '../../runs/runFolder.js';
import { promptVariables, requireFitting } from '../shared/prompts.js';
import { shapeOfTeacher, type Teacher, type Towers } from '../shared/teacher.js';
import { loadPlainClip } from './loadPlainClip.js';
import { isFile, openModelFile } from './modelFile.js';
import { loadTeacherCheckpoint } from './teacherCheckpoint.js';
import { readTeacher, readTeacherFile, type StoredTeacher } from './teacherFile.js';

/**
 * A tuned teacher: of a stage-1 run, of an exported file, or of a checkpoint that the authors' PromptSRC or IVLP saved.
 *
 * @param clip the CLIP to take in place of the one that a run names; a checkpoint has whole towers, but takes token
 *   embeddings and tokenizer from it
 */
export async function loadTeacher(
  job: Job,
  path: string,
  clip?: string,
  towers: Towers = {},
): Promise<Teacher> {
  const { platform } = job;
  if (!(await isFile(platform, path))) {
    const config = await readRunConfig(platform, path, 'teacher');
    const stored = await readTeacher(platform, path);
    const tokenizer = config.tokenizer === undefined ? undefined : String(config.tokenizer);
    return withPrompts(job, path, stored, clip ?? String(config.clip), towers, tokenizer);
  }
  const file = await openModelFile(platform, path);
  if (file.kind !== 'teacher')
    throw new UserError(`${path} is a student, not a teacher`, 'give a tuned teacher');
  if (file.from === 'checkpoint') return loadTeacherCheckpoint(job, file.checkpoint, clip, towers);
  const stored = await readTeacherFile(platform, path);
  return withPrompts(job, path, stored, clip ?? stored.clip, towers);
}

/** Tuned prompts in the CLIP that they were tuned in. */
async function withPrompts(
  job: Job,
  path: string,
  stored: StoredTeacher,
  clip: string,
  towers: Towers,
  tokenizer?: string,
): Promise<Teacher> {
  const { prompts, template } = stored;
  const plain = await loadPlainClip(job, clip, {
    ...towers,
    template,
    tokenizer,
    onConfig: (config) => {
      const shapes = (tower: 'text' | 'vision') =>
        prompts[tower].map(({ length }) => ({ shape: [length / config[tower].width] }));
      towers.onShape?.(shapeOfTeacher(config, { text: shapes('text'), vision: shapes('vision') }));
    },
  });
  if (plain.clipHash !== stored.clipHash)
    throw new UserError(
      `${plain.clip} is not the checkpoint that ${path} was tuned on: its SHA-256 differs`,
      'restore that checkpoint, or train the teacher again',
    );
  requireFitting(path, prompts, plain.model.config);
  return { ...plain, prompts: promptVariables(prompts, plain.model.config), hash: stored.hash };
}
