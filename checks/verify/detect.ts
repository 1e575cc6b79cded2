/** Tells by content which kind of reference numbers a path holds, and compares this machine with them. */
import * as v from 'valibot';
import { UserError } from '../../engine/index.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import type { Job } from '../../models/job.js';
import type { Platform } from '../../models/platform.js';
import { listCheckpoints, REFERENCE_FILE, verifyFormats } from './formats.js';
import type { VerifyItem, VerifyReport } from './item.js';
import { checkJson, readJson } from './json.js';
import { verifyPreprocessing } from './preprocessing.js';
import { TokenizerListSchema, verifyTokenizer } from './tokenizerList.js';
import { verifyTrainingCase } from './trainingCase.js';

/** The kinds of reference numbers that are recognised. */
export type ReferenceKind = VerifyReport['kind'];

/** What comparing needs besides the path. */
export interface VerifyOptions {
  /** The tokenizer for a tokenizer list: its file or folder. */
  readonly tokenizer?: string;
}

const KNOWN =
  'give a training case (case.json), a preprocessing case (cases.json), a formats folder ' +
  `(${REFERENCE_FILE} beside checkpoints) or a tokenizer list (JSON array of {text, ids})`;

/**
 * What `path` holds, and the folder or file to read.
 *
 * @throws UserError when it is nothing of the known kinds
 */
export async function detectReference(
  platform: Platform,
  path: string,
): Promise<{ kind: ReferenceKind; path: string }> {
  const found = await platform.stat(path);
  if (!found) throw new UserError(`${path} does not exist`, KNOWN);
  if (found.kind !== 'folder') return detectFile(platform, path);
  const has = async (name: string) => (await platform.stat(platform.join(path, name)))?.kind === 'file';
  if (await has('case.json')) return { kind: 'training case', path };
  if (await has('cases.json')) return { kind: 'preprocessing case', path };
  if ((await has(REFERENCE_FILE)) && (await listCheckpoints(platform, path)).length > 0)
    return { kind: 'formats folder', path };
  throw new UserError(`${path} holds no reference numbers`, KNOWN);
}

/** A list, or one of the two files that stand for their folder. */
async function detectFile(platform: Platform, path: string): Promise<{ kind: ReferenceKind; path: string }> {
  const folder = platform.join(path, '..');
  const name = platform.baseName(path);
  if (name === 'case.json') return { kind: 'training case', path: folder };
  if (name === 'cases.json') return { kind: 'preprocessing case', path: folder };
  // A checkpoint may have gigabytes: look at the first byte before reading it as text.
  const isArray = /^\s*\[/.test(new TextDecoder().decode(await head(platform, path)));
  if (
    isArray &&
    v.is(v.array(v.object({ text: v.unknown(), ids: v.unknown() })), await readJson(platform, path))
  )
    return { kind: 'tokenizer list', path };
  throw new UserError(`${path} is not a list of reference numbers`, KNOWN);
}

async function head(platform: Platform, path: string): Promise<Uint8Array> {
  const size = (await platform.stat(path))?.size ?? 0;
  return platform.read(path, 0, Math.min(size, 16));
}

/**
 * Compares this machine with the reference numbers at `path`.
 *
 * @throws UserError when the path is of no known kind or its files are incomplete
 */
export async function verify(job: Job, path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const found = await detectReference(job.platform, path);
  const bar = job.begin(`verify ${path} (${found.kind})`, 1);
  try {
    const items = await compare(job, found.kind, found.path, options, (done, total) =>
      bar.update(done / total),
    );
    bar.update(1);
    return { path, kind: found.kind, items };
  } finally {
    bar.end();
  }
}

async function compare(
  job: Job,
  kind: ReferenceKind,
  path: string,
  { tokenizer }: VerifyOptions,
  onProgress: (done: number, total: number) => void,
): Promise<VerifyItem[]> {
  switch (kind) {
    case 'training case':
      return verifyTrainingCase(job, path, onProgress);
    case 'preprocessing case':
      return verifyPreprocessing(job, path, onProgress);
    case 'formats folder':
      return verifyFormats(job, path, onProgress);
    case 'tokenizer list': {
      if (tokenizer === undefined)
        throw new UserError(
          `${path} is a tokenizer list and needs a tokenizer`,
          "give --tokenizer FILE: a model's tokenizer.json or bpe_simple_vocab_16e6.txt.gz",
        );
      const list = checkJson(TokenizerListSchema, await readJson(job.platform, path), path);
      return verifyTokenizer(await loadTokenizer(job.platform, tokenizer), list);
    }
  }
}
