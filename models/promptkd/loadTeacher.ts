/** A teacher ready to use: a CLIP on the device with its tuned prompts, or plain CLIP. */
import { UserError } from '../../engine/errors.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { type ClipModel, loadModel } from '../clip/model.js';
import { fillTemplate, PLAIN_TEMPLATE } from '../clip/templates.js';
import { encodeSequences } from '../clip/textEncoder.js';
import type { Job } from '../job.js';
import { readRunConfig } from '../runs/runFolder.js';
import { type ClassVectors, normalizeRows } from './classVectors.js';
import { openTokenizer } from './openTokenizer.js';
import { type Prompts, promptVariables } from './prompts.js';
import { readTeacher } from './teacherFile.js';

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

/** Plain CLIP as a teacher: no prompts. */
export async function loadPlainClip(
  job: Job,
  clip: string,
  { tokenizer, template = PLAIN_TEMPLATE }: { tokenizer?: string; template?: string } = {},
): Promise<Teacher> {
  const checkpoint = await loadCheckpoint(job.platform, clip);
  const model = await loadModel(job.gpu, checkpoint);
  const clipHash = await checkpoint.sha256();
  return {
    model,
    prompts: { text: [], vision: [] },
    template,
    clip,
    clipHash,
    ...(tokenizer && { tokenizer }),
  };
}

/** The tuned teacher of a stage-1 run. */
export async function loadTeacher(job: Job, run: string): Promise<Teacher> {
  const config = await readRunConfig(job.platform, run, 'teacher');
  const stored = await readTeacher(job.platform, run);
  const plain = await loadPlainClip(job, String(config.clip), {
    template: stored.template,
    ...(config.tokenizer !== undefined && { tokenizer: String(config.tokenizer) }),
  });
  if (plain.clipHash !== stored.clipHash)
    throw new UserError(
      `${plain.clip} is not the checkpoint that ${run} was tuned on: its SHA-256 differs`,
      'restore that checkpoint, or train the teacher again',
    );
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
  const sequences = classNames.map((name) =>
    tokenizer.tokenize(fillTemplate(template, name), model.config.text.contextLength),
  );
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
