import { UserError } from '../../engine/index.js';
import { readable } from '../../formats/fileErrors.js';

/** A class name as it stands in a prompt: underscores are spaces; case is kept. */
export function promptName(name: string): string {
  return name.replaceAll('_', ' ').replace(/\s+/g, ' ').trim();
}

/**
 * Pairs of labels whose names the tokenizer cannot tell apart (it folds case and white space): their class vectors are
 * equal and every image of one is a tie with the other.
 */
function equalNames(names: readonly string[]): [number, number][] {
  const first = new Map<string, number>();
  const pairs: [number, number][] = [];
  for (const [label, name] of names.entries()) {
    const key = promptName(name).toLowerCase();
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, label);
    else pairs.push([earlier, label]);
  }
  return pairs;
}

/** Published lists have a few equal names (two cranes in ImageNet): noted, not refused. */
export function tieNotes(classNames: readonly string[]): string[] {
  return equalNames(classNames).map(
    ([a, b]) => `classes ${a} and ${b} are both called "${classNames[b]}" and cannot be told apart`,
  );
}

/** @throws UserError when two names are equal in a prompt or one is empty; `where` says whose names they are */
export function requireDistinct(names: readonly string[], where: string): void {
  const empty = names.findIndex((name) => promptName(name) === '');
  if (empty >= 0) throw new UserError(`${where}: class ${empty} has no name`, 'give every class a name');
  const [pair] = equalNames(names);
  if (pair)
    throw new UserError(
      readable(
        `${where}: two classes have the same name in a prompt, "${names[pair[0]]}" and "${names[pair[1]]}"`,
      ),
      'rename one of them, or put their images together',
    );
}

/** The lines of a text that are not blank, without white space around them. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** A class folder, and the name of the class in prompts. */
export interface NamedFolder {
  readonly folder: string;
  readonly name: string;
}

/**
 * Reads `classnames.txt`: a class a line, in label order. A line is a folder's name, or a folder's name, a space and the
 * name to use in prompts ("n01440764 tench"). `folders` decides which, as folder names may contain spaces too.
 */
export function parseClassNames(text: string, folders: ReadonlySet<string>): NamedFolder[] {
  return linesOf(text).map((line) => {
    const space = line.indexOf(' ');
    const first = line.slice(0, space);
    if (space > 0 && !folders.has(line) && folders.has(first))
      return { folder: first, name: promptName(line.slice(space + 1)) };
    return { folder: line, name: promptName(line) };
  });
}
