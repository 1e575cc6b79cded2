/** Downloads the files of a repository that this project reads. */
import { join } from 'node:path';
import { UserError } from '../../engine/errors.js';
import { megabytes } from '../../models/numbers.js';
import { nodePlatform } from '../platform/node.js';
import type { Progress } from '../terminal/progress.js';
import { chooseFiles } from './choose.js';
import { type DownloadOptions, download } from './download.js';
import { type HubFile, type HubOptions, type HubRepository, unreachable } from './repository.js';

/** How to download a repository. */
export interface PullOptions extends HubOptions, Pick<DownloadOptions, 'force' | 'pauses' | 'freeBytes'> {
  readonly progress: Progress;
}

/** Limit for configs and tokenizers, which are read into memory as a whole; far above any real one. */
const MOST_TEXT_BYTES = 64 * 2 ** 20;

/**
 * Downloads weights, configs and tokenizer into the folder `out`, which is created.
 *
 * @throws UserError for problems with the repository, the server, the connection or the disk
 */
export async function pull(repository: HubRepository, out: string, options: PullOptions): Promise<void> {
  const files = await chosen(repository, options);
  await nodePlatform.makeFolder(out);
  for (const file of files) await fetchOne(repository, file, out, options);
}

async function chosen(repository: HubRepository, options: HubOptions): Promise<HubFile[]> {
  const files = await repository.files().catch((error) => {
    throw error instanceof UserError ? error : unreachable(repository.name, options, error);
  });
  const names = files.map((file) => file.name);
  const found = chooseFiles(names, repository.name).map((name) => files.find((file) => file.name === name)!);
  for (const { name, size } of found)
    if (/\.(json|txt|gz)$/.test(name) && size > MOST_TEXT_BYTES)
      throw new UserError(
        `${name} of ${repository.name} has ${size} bytes according to the server, too many for a config or tokenizer`,
        'check the name and --endpoint',
      );
  return found;
}

async function fetchOne(
  repository: HubRepository,
  file: HubFile,
  folder: string,
  options: PullOptions,
): Promise<void> {
  const { progress, ...rest } = options;
  const bar = progress.begin(`${file.name} (${sizeOf(file.size)})`, 1);
  try {
    await download(file, join(folder, file.name), {
      ...rest,
      open: (start) => repository.open(file, start),
      onProgress: (bytes) => bar.update(file.size === 0 ? 1 : bytes / file.size, sizeOf(bytes)),
    });
    bar.end();
  } catch (error) {
    throw error instanceof UserError ? error : unreachable(file.name, options, error);
  }
}

const sizeOf = (bytes: number): string => `${megabytes(bytes, bytes < 1e7 ? 1 : 0)} MB`;
