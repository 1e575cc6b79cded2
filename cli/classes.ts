/** Class names on the command line: one by one, in a file, or those of a data set. */
import { type Command, Option } from 'commander';
import { UserError } from '../engine/errors.js';
import { promptName, requireDistinct } from '../models/datasets/classNames.js';
import { loadDataset } from '../models/datasets/loadDataset.js';
import type { Platform } from '../models/platform.js';

export interface ClassFlags {
  readonly data?: string;
  readonly dataset?: string;
  readonly classes?: string;
  readonly class?: readonly string[];
}

/** Adds `--classes` and `--class`, and `--data` with `--dataset` where class names may come from a data set. */
export function addClassOptions(command: Command, { data }: { data: boolean }): Command {
  const sources = ['classes', 'class', ...(data ? ['data'] : [])];
  const only = (option: Option) =>
    option.conflicts(sources.filter((source) => source !== option.attributeName()));
  command
    .addOption(only(new Option('--classes <file>', 'class names from a text file, one a line')))
    .addOption(only(new Option('--class <name...>', 'class names, one after the other')));
  if (!data) return command;
  return command
    .addOption(only(new Option('--data <folder>', 'class names of a data set')))
    .option('--dataset <name>', 'which data set, when the data folder holds several known ones');
}

/**
 * The class names that the flags give, as they stand in a prompt; undefined when they give none.
 *
 * @throws UserError for an empty list and for names that are equal in a prompt
 */
export async function readClassNames(platform: Platform, flags: ClassFlags): Promise<string[] | undefined> {
  const { data, dataset, classes: file, class: given } = flags;
  if (given) return checked(given, 'the classes given');
  if (file !== undefined) return checked((await platform.readText(file)).split(/\r?\n/), file);
  if (data === undefined) return undefined;
  // Where the images lie does not matter for their names: none is opened.
  const { classNames } = await loadDataset(platform, data, { dataset, allowOutside: true });
  if (classNames.length === 0)
    throw new UserError(
      `${data} has no class names: its images have no labels`,
      'give the names with --classes FILE or --class NAME',
    );
  return checked(classNames, data);
}

function checked(lines: readonly string[], where: string): string[] {
  const names = lines.map(promptName).filter((name) => name !== '');
  if (names.length === 0)
    throw new UserError(`${where}: there is no class name`, 'write one class name a line');
  requireDistinct(names, where);
  return names;
}
