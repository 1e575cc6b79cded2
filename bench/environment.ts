/** The environment of a measurement, which every result records. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DISABLED_TOGGLES, ENABLED_TOGGLES } from '../engine/gpu/adapter.js';
import type { Gpu } from '../engine/gpu/gpu.js';

/** The root of the checkout, whether this code runs from the sources or from dist/. */
export function rootFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder))
    if (existsSync(join(folder, 'shaders')) && existsSync(join(folder, 'package.json'))) return folder;
}

/** The version of this package, or of an installed one. */
export function packageVersion(name: string, folder = rootFolder()): string {
  const file =
    name === 'promptkd' ? join(folder, 'package.json') : join(folder, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The commit of the checkout, with a `+` if files differ from it. The kit of bench/gpu records its commit in a file. */
function commit(): string | undefined {
  const packed = join(rootFolder(), 'COMMIT');
  if (existsSync(packed)) return readFileSync(packed, 'utf8').trim();
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: rootFolder(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return git('rev-parse', '--short=10', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : '+');
  } catch {
    return undefined;
  }
}

/** What every result records. */
export interface Environment {
  readonly adapter: string;
  readonly driver: string;
  readonly backend: string;
  readonly software: boolean;
  readonly level: string;
  readonly toggles: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly system: string;
  readonly cores: number;
  readonly processor: string;
}

/** Describes this machine and the adapter. */
export function environmentOf(gpu: Gpu): Environment {
  const { name, driver, backend, software } = gpu.adapter;
  const processors = cpus();
  return {
    adapter: name,
    driver,
    backend,
    software,
    level: gpu.capabilities.level,
    toggles: [...ENABLED_TOGGLES, ...DISABLED_TOGGLES.map((name) => `-${name}`)],
    versions: {
      promptkd: [packageVersion('promptkd'), commit()].filter(Boolean).join(' at '),
      webgpu: packageVersion('webgpu'),
      node: process.version,
    },
    system: `${process.platform} ${process.arch}`,
    cores: processors.length,
    processor: processors[0]?.model ?? 'unknown',
  };
}
