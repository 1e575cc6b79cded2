/** A teacher ready to use: a CLIP on the device with its tuned prompts, or plain CLIP. */
import { UserError } from '../../../engine/errors.js';
import { loadCheckpoint } from '../../checkpoints/load.js';
import { noteNames } from '../../checkpoints/official.js';
import { tokenizeClasses } from '../../clip/classPrompts.js';
import type { ClipConfig } from '../../clip/config.js';
import { type ClipModel, loadModel } from '../../clip/model.js';
import { PLAIN_TEMPLATE } from '../../clip/templates.js';
import { encodeSequences } from '../../clip/textEncoder.js';
import type { Job } from '../../job.js';
import { readRunConfig } from '../../runs/runFolder.js';
import { type ClassVectors, normalizeRows } from '../classVectors/classVectors.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import { type Prompts, promptVariables, requireFitting } from '../shared/prompts.js';
import { isFile, openModelFile } from './modelFile.js';
import { loadTeacherCheckpoint } from './teacherCheckpoint.js';
import { readTeacher, readTeacherFile, type StoredTeacher } from './teacherFile.js';

export interface Teacher {
  readonly model: ClipModel;
  readonly prompts: Prompts;
  readonly template: string;
  readonly clip: string;
  readonly tokenizer?: string;
  readonly clipHash: string;
  /** SHA-256 of the tuned prompts; absent for plain CLIP. */
  readonly hash?: string;
}

/** Which towers are uploaded (default: both). */
export interface Towers {
  readonly vision?: boolean;
  readonly text?: boolean;
  /** Told the architecture before the weights are read, which takes long: kernels can be made meanwhile. */
  readonly onConfig?: (config: ClipConfig) => void;
}

/** Plain CLIP as a teacher: no prompts. */
export async function loadPlainClip(
  job: Job,
  clip: string,
  {
    tokenizer,
    template = PLAIN_TEMPLATE,
    vision,
    text,
    onConfig,
  }: { tokenizer?: string; template?: string } & Towers = {},
): Promise<Teacher> {
  const checkpoint = await loadCheckpoint(job.platform, clip);
  noteNames(job, checkpoint);
  const hashing = checkpoint.sha256();
  onConfig?.(checkpoint.config);
  const model = await loadModel(job.gpu, checkpoint, { precision: job.precision, vision, text });
  const clipHash = await hashing;
  return {
    model,
    prompts: { text: [], vision: [] },
    template,
    clip,
    clipHash,
    ...(tokenizer && { tokenizer }),
  };
}

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
  const plain = await loadPlainClip(job, clip, {
    template: stored.template,
    ...towers,
    ...(tokenizer && { tokenizer }),
  });
  if (plain.clipHash !== stored.clipHash)
    throw new UserError(
      `${plain.clip} is not the checkpoint that ${path} was tuned on: its SHA-256 differs`,
      'restore that checkpoint, or train the teacher again',
    );
  requireFitting(path, stored.prompts, plain.model.config);
  return { ...plain, prompts: promptVariables(stored.prompts, plain.model.config), hash: stored.hash };
}

/** Unit text features of the class names, in their order. */
export async function makeClassVectors(
  job: Job,
  teacher: Teacher,
  classNames: readonly string[],
): Promise<ClassVectors> {
  const { model, template } = teacher;
  const tokenizer = await openTokenizer(job.platform, teacher);
  const sequences = tokenizeClasses(tokenizer, template, classNames, model.config.text.contextLength);
  const bar = job.begin('class vectors', sequences.length);
  const features = await encodeSequences(job.gpu, model, sequences, teacher.prompts.text, (done) =>
    bar.update(done),
  );
  bar.end();
  return {
    vectors: normalizeRows(features, model.config.embed),
    count: classNames.length,
    embed: model.config.embed,
    classNames,
    template,
    clipHash: teacher.clipHash,
    ...(teacher.hash && { teacherHash: teacher.hash }),
    logitScale: model.logitScale,
  };
}
