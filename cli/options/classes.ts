/** Options for class names: one by one, from a file, or those of a data set. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { promptName, requireDistinct } from '../../models/datasets/classNames.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import type { Platform } from '../../models/platform.js';

/** Flags of `addClassOptions`. */
export interface ClassFlags {
  readonly data?: string;
  readonly dataset?: string;
  readonly classes?: string;
  readonly class?: readonly string[];
}

/** Adds `--classes` and `--class`, and with `data` also `--data` and `--dataset`. */
export function addClassOptions(command: Command, { data }: { data: boolean }): Command {
  const sources = ['classes', 'class', ...(data ? ['data'] : [])];
  const only = (option: Option) =>
    option.conflicts(sources.filter((source) => source !== option.attributeName()));
  command
    .addOption(only(new Option('--classes <file>', 'text file with class names, one per line')))
    .addOption(only(new Option('--class <name...>', 'class names, separated by spaces')));
  if (!data) return command;
  return command
    .addOption(only(new Option('--data <folder>', 'take the class names of this data set')))
    .option('--dataset <name>', 'name of the data set, if the --data folder holds several known ones');
}

/**
 * The class names that the flags give, as they appear in a prompt; undefined if they give none.
 *
 * @throws UserError for an empty list, and for names that become equal in a prompt
 */
export async function readClassNames(platform: Platform, flags: ClassFlags): Promise<string[] | undefined> {
  const { data, dataset, classes: file, class: given } = flags;
  if (given) return checked(given, '--class');
  if (file !== undefined) return checked((await platform.readText(file)).split(/\r?\n/), file);
  if (data === undefined) return undefined;
  // No image is opened, so it does not matter where they are.
  const { classNames } = await loadDataset(platform, data, { dataset, allowOutside: true });
  if (classNames.length === 0)
    throw new UserError(
      `${data} has no class names, as its images have no labels`,
      'give --classes FILE or --class NAME',
    );
  return checked(classNames, data);
}

function checked(lines: readonly string[], where: string): string[] {
  const names = lines.map(promptName).filter((name) => name !== '');
  if (names.length === 0)
    throw new UserError(`${where} has no class name`, 'give at least one class name, one per line in a file');
  requireDistinct(names, where);
  return names;
}
