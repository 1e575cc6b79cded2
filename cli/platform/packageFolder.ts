/** Folders that come with this package beside its code. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../engine/errors.js';

/**
 * The folder `name` of this package, from sources and from dist/ alike.
 *
 * @param file one of its files, by which it is recognised
 */
export function packageFolder(name: string, file: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, name);
    if (existsSync(join(candidate, file))) return candidate;
    if (dirname(folder) === folder)
      throw new UserError(`the folder ${name} of this package is missing`, 'Install the package again.');
  }
}
