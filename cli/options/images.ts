/** Options for broken images, and for links that lead out of the data folder. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseNumber, settingOption } from '../settings.js';

/** Flags of `addImageOptions`. */
export interface ImageFlags {
  readonly maxBroken: number;
  readonly strict?: boolean;
  readonly allowOutside?: boolean;
}

/** Adds `--max-broken` (with this default), `--strict` and `--allow-outside`. */
export function addImageOptions(command: Command, maxBroken: number): Command {
  return command
    .option(
      '--max-broken <share>',
      'share of images, 0 to 1, that may be broken: they are skipped and listed; more is an error',
      parseShare,
      maxBroken,
    )
    .option('--strict', 'treat any broken image as an error: --max-broken 0')
    .addOption(settingOption('student', 'allowOutside'));
}

/** The share of images that may be broken. */
export const brokenShare = ({ strict, maxBroken }: ImageFlags): number => (strict ? 0 : maxBroken);

function parseShare(text: string): number {
  const share = parseNumber(text);
  if (share < 0 || share > 1) throw new InvalidArgumentError('Give a number from 0 to 1.');
  return share;
}
