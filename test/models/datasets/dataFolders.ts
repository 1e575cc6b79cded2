/** Data folders of empty files for the tests of data sets. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { makeFiles, temporaryFolder } from '../../helpers/files.js';

/** Makes folders of their own below `root`, each called `name`, with empty files or with those contents; returns their path. */
export function dataFolders(test: string) {
  const root = temporaryFolder(test);
  let count = 0;
  const make = (files: Record<string, string> | string[], name = 'data') =>
    makeFiles(join(root, String(count++), name), files);
  return { root, make };
}

/** That loading fails with a message that names `what` and gives a hint. */
export async function refuses(path: string, what: RegExp, options = {}): Promise<void> {
  const error = await loadDataset(platform, path, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(what);
  expect((error as UserError).hint).not.toBe('');
}

/** Two classes, two images each. */
export const CLASSES = ['train/red_fox/1.png', 'train/red_fox/2.png', 'train/Bear/1.JPG', 'train/Bear/2.jpg'];

/** Empty files by their names. */
export const blank = (paths: string[]): Record<string, string> =>
  Object.fromEntries(paths.map((path) => [path, '']));
