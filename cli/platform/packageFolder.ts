/** Files that come with this package. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../engine/errors.js';

/**
 * The path of a file of this package, whether this code runs from the sources or from dist/.
 *
 * @param name relative to the package, such as `package.json`
 * @throws UserError when the package lacks the file
 */
export function packageFile(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, name);
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder)
      throw new UserError(`${name} is missing from this package`, 'install the package again');
  }
}

/**
 * A folder of this package.
 *
 * @param file a file in the folder, by which it is recognised
 */
export const packageFolder = (name: string, file: string): string => dirname(packageFile(join(name, file)));
