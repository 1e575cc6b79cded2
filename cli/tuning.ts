/** What the tuner found, kept in the user's cache: one file an adapter, driver and level, for one version of the kernels. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Gpu, Level } from '../engine/gpu.js';
import { Tuner } from '../engine/tuner.js';
import type { TuningStore } from '../engine/tuning.js';
import { shaderSources } from '../shaders/generated.js';
import { cacheFolder } from './platform/cacheFolder.js';

interface Stored {
  /** Of all kernel texts: another version of them is tuned anew. */
  readonly kernels: string;
  readonly adapter: string;
  readonly driver: string;
  readonly choices: Record<string, string>;
}

const kernelHash = (): string =>
  createHash('sha256').update(JSON.stringify(shaderSources)).digest('hex').slice(0, 16);

/**
 * The file for an adapter: its name to read, and a hash of what decides which kernels there are. What is tuned at a lower level
 * must not take the place of what is tuned at the adapter's own.
 */
export function tuningFile(
  { name, driver, backend }: Gpu['adapter'],
  level: Level,
  env: NodeJS.ProcessEnv,
): string {
  const text = [name, driver, backend, level].join('\n');
  const identity = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return join(cacheFolder(env), 'tuning', `${plain}-${identity}.json`);
}

/** The choices in a file, or none: with a note where the file is there and cannot be used. */
function readStored(path: string, kernels: string, note: (text: string) => void): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    const { kernels: of, choices } = JSON.parse(text) as Partial<Stored>;
    if (of !== kernels) return {};
    if (typeof choices !== 'object' || choices === null) throw new Error('no choices');
    if (Object.values(choices).some((name) => typeof name !== 'string'))
      throw new Error('a choice is no name');
    return choices;
  } catch (error) {
    note(`what was tuned before is not used: ${path} cannot be read (${(error as Error).message})`);
    return {};
  }
}

/**
 * A store in a file. A choice is written at once, under a temporary name that is renamed, so that a run that is killed keeps
 * what it has found; a cache that cannot be written costs a note and the tuning of the next run.
 */
export function fileStore(
  path: string,
  { adapter, driver }: { adapter: string; driver: string },
  note: (text: string) => void,
): TuningStore {
  const kernels = kernelHash();
  const choices = readStored(path, kernels, note);
  let failed = false;
  return {
    get: (key) => (Object.hasOwn(choices, key) ? choices[key] : undefined),
    set: (key, name) => {
      choices[key] = name;
      if (failed) return;
      const stored: Stored = { kernels, adapter, driver, choices };
      const temporary = `${path}.${process.pid}`;
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(temporary, `${JSON.stringify(stored, null, 1)}\n`);
        renameSync(temporary, path);
      } catch (error) {
        failed = true;
        note(`what was tuned is not kept: ${(error as Error).message}`);
      }
    },
  };
}

/** Tunes plans on this device from now on, and says so once when there is something to tune. */
export function startTuning(gpu: Gpu, env: NodeJS.ProcessEnv = process.env): void {
  const note = (text: string) => process.stderr.write(`${text}\n`);
  const { name: adapter, driver } = gpu.adapter;
  const path = tuningFile(gpu.adapter, gpu.capabilities.level, env);
  let announced = false;
  gpu.tuning = new Tuner(fileStore(path, { adapter, driver }, note), {
    onProgress: (_, total) => {
      if (!announced)
        note(
          `choosing the fastest of the right kernels for ${total} products on ${adapter}; kept in ${path}`,
        );
      announced = true;
    },
    onNote: env.DEBUG ? note : undefined,
  });
}
