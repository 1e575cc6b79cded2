/** The presets that come with this package: `presets/<name>.yaml`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../../models/platform.js';
import { type Preset, parsePreset } from '../../models/reproduce/preset.js';
import { packageFolder } from '../platform/packageFolder.js';
import { formatTerms, helpWidth } from '../terminal/help.js';

const folder = (): string => packageFolder('presets', 'base-to-novel.yaml');
const ENDING = '.yaml';

/** Names of the presets, in ASCII order. */
export function presetNames(): string[] {
  return readdirSync(folder())
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();
}

/**
 * Reads a preset.
 *
 * @throws UserError when there is none of that name
 */
export async function loadPreset(platform: Platform, name: string): Promise<Preset> {
  const names = presetNames();
  if (!names.includes(name))
    throw new UserError(`there is no preset named "${name}"`, `choose one of ${names.join(', ')}`);
  const file = join(folder(), `${name}${ENDING}`);
  return parsePreset(await platform.readText(file), file);
}

/** The presets and their descriptions, for `--help`. */
export function presetHelp(): string {
  const presets = presetNames().map((name) => {
    const file = join(folder(), `${name}${ENDING}`);
    return [name, parsePreset(readFileSync(file, 'utf8'), file).description];
  });
  return `\nPresets (YAML files in ${folder()}):\n${formatTerms(Object.fromEntries(presets), helpWidth())}`;
}
