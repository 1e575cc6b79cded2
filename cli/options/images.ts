/** What the command line says about broken images and about links out of the data. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseNumber, settingOption } from '../settings.js';

export interface ImageFlags {
  readonly maxBroken: number;
  readonly strict?: boolean;
  readonly allowOutside?: boolean;
}

/** Adds `--max-broken`, `--strict` and `--allow-outside`. */
export function addImageOptions(command: Command, maxBroken: number): Command {
  return command
    .option(
      '--max-broken <share>',
      'share of the images, 0 to 1, that may be broken: they are skipped and named; more are an error',
      parseShare,
      maxBroken,
    )
    .option('--strict', 'any broken image is an error')
    .addOption(settingOption('student', 'allowOutside'));
}

export const brokenShare = ({ strict, maxBroken }: ImageFlags): number => (strict ? 0 : maxBroken);

function parseShare(text: string): number {
  const share = parseNumber(text);
  if (share < 0 || share > 1) throw new InvalidArgumentError('Give a share from 0 to 1.');
  return share;
}
