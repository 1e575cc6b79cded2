/** Teachers and students wherever they lie: run folders, our own exports, and what the authors' code saves. */
import { UserError } from '../../../engine/index.js';
import { openByContent } from '../../../formats/openByContent.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import type { Platform } from '../../platform.js';
import { type RunKind, readRunConfig, runKind } from '../../runs/runFolder.js';
import { isFile, type ModelKind, STUDENT_KIND, TEACHER_KIND } from './learnedFile.js';
import { MERGED_KIND } from './studentFile.js';

/** Prompts alone need their CLIP; a checkpoint has the towers in it. */
export type ModelFile =
  | { readonly kind: ModelKind; readonly from: 'prompts'; readonly clip: string; readonly tokenizer?: string }
  | { readonly kind: ModelKind; readonly from: 'checkpoint'; readonly checkpoint: ClipCheckpoint };

/** A run has a file of prompts in its folder, and settings. */
export type Model =
  | ModelFile
  | {
      readonly kind: ModelKind;
      readonly from: 'run';
      readonly clip: string;
      readonly tokenizer?: string;
      readonly settings: Readonly<Record<string, unknown>>;
    };

/** What kind of model `path` is, told by its content; undefined for folders that hold no run. */
export const modelKind = async (platform: Platform, path: string): Promise<RunKind | undefined> =>
  (await isFile(platform, path)) ? (await openModelFile(platform, path)).kind : runKind(platform, path);

/**
 * The teacher or student at `path`; undefined for folders that hold none.
 *
 * @throws UserError when a file is neither
 */
export async function findModel(platform: Platform, path: string): Promise<Model | undefined> {
  if (await isFile(platform, path)) return openModelFile(platform, path);
  const kind = await runKind(platform, path);
  return kind === 'teacher' || kind === 'student' ? openRun(platform, path, kind) : undefined;
}

async function openRun(platform: Platform, path: string, kind: ModelKind): Promise<Model> {
  const settings = await readRunConfig(platform, path, kind);
  const { clip, tokenizer } = settings;
  const given = tokenizer === undefined ? undefined : String(tokenizer);
  return { kind, from: 'run', clip: String(clip), tokenizer: given, settings };
}

/** The run folder or file at `path`. @throws UserError when it is not of the kind `wanted` */
export async function openModel(platform: Platform, path: string, wanted: ModelKind): Promise<Model> {
  if (!(await isFile(platform, path))) return openRun(platform, path, wanted);
  const file = await openModelFile(platform, path);
  if (file.kind !== wanted)
    throw new UserError(
      `${path} is a ${file.kind}, not a ${wanted}`,
      wanted === 'teacher' ? 'give a tuned teacher' : 'give a student',
    );
  return file;
}

/**
 * What the file at `path` is, told by its content.
 *
 * @throws UserError when it is neither a teacher nor a student
 */
export async function openModelFile(platform: Platform, path: string): Promise<ModelFile> {
  const { metadata, tensors } = await openByContent(platform, path);
  const { kind, clip = '' } = metadata;
  if (kind === TEACHER_KIND) return { kind: 'teacher', from: 'prompts', clip };
  if (kind === STUDENT_KIND) return { kind: 'student', from: 'prompts', clip };
  if (tensors.has('class_vectors') && tensors.size === 1)
    throw new UserError(`${path} holds class vectors, no model`, 'give a run folder or an exported model');
  const checkpoint = await loadCheckpoint(platform, path);
  // A merged student may have no projection: its own text features classify.
  if (checkpoint.projection || kind === MERGED_KIND)
    return { kind: 'student', from: 'checkpoint', checkpoint };
  if (checkpoint.prompts && checkpoint.config.text.width > 0)
    return { kind: 'teacher', from: 'checkpoint', checkpoint };
  throw new UserError(
    `${path} holds no learned prompts: it is a plain CLIP`,
    'give it with --clip, or give a tuned teacher or a distilled student',
  );
}
