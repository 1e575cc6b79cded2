/**
 * What is known about the kernels on an adapter, stored in the user's cache: verdicts (engine/gpu/kernelChecks.ts) and timed
 * choices (engine/gpu/tuner.ts). One file per adapter, driver and level.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Level } from '../../engine/capabilities.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import {
  attachChecks,
  KernelChecks,
  shaderFingerprint,
  type VerdictStore,
} from '../../engine/gpu/kernelChecks.js';
import { attachTuner, type TunedChoice, Tuner, type TuningStore } from '../../engine/gpu/tuner.js';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import { debugLevel } from '../debug/level.js';
import { cacheFolder } from '../platform/cacheFolder.js';
import { say } from '../terminal/output.js';

const STORED = v.object({
  adapter: v.string(),
  driver: v.string(),
  level: v.string(),
  /** Version of the WebGPU implementation and hash of all WGSL: results of other versions are ignored. */
  version: v.string(),
  verdicts: v.record(v.string(), v.string()),
  choices: v.record(
    v.string(),
    v.object({ name: v.string(), milliseconds: v.record(v.string(), v.number()) }),
  ),
});
/** The content of the file. */
export type StoredKernels = v.InferOutput<typeof STORED>;

/** The version of the npm package that compiles the kernels. */
function compilerVersion(): string {
  try {
    const path = new URL(import.meta.resolve('webgpu/package.json'));
    return String(JSON.parse(readFileSync(path, 'utf8')).version);
  } catch {
    return 'unknown';
  }
}

const currentVersion = (): string => `webgpu ${compilerVersion()}, kernels ${shaderFingerprint()}`;

/**
 * The path of the file for an adapter: its name, and a hash of everything that decides which kernels can run. The level is part
 * of it, so that results of a lower level do not replace those of the adapter's own.
 */
export function kernelFile(
  { name, driver, backend }: Gpu['adapter'],
  level: Level,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const text = [name, driver, backend, level].join('\n');
  const identity = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return join(cacheFolder(env), 'kernels', `${plain}-${identity}.json`);
}

/** Stores verdicts and choices in one file. */
export class KernelStore {
  readonly stored: StoredKernels;
  private failed = false;

  /** @param note is told once if the file cannot be read or written; the run continues without it */
  constructor(
    readonly path: string,
    about: Pick<StoredKernels, 'adapter' | 'driver' | 'level'>,
    private readonly note: (text: string) => void,
  ) {
    const fresh = { ...about, version: currentVersion(), verdicts: {}, choices: {} };
    this.stored = this.readCurrent(fresh.version) ?? fresh;
  }

  readonly verdicts: VerdictStore = {
    get: (hash) => own(this.stored.verdicts, hash),
    set: (verdicts) => {
      Object.assign(this.stored.verdicts, verdicts);
      this.write();
    },
  };

  readonly choices: TuningStore = {
    get: (key): TunedChoice | undefined => own(this.stored.choices, key),
    set: (key, { name, milliseconds }) => {
      this.stored.choices[key] = { name, milliseconds: { ...milliseconds } };
      this.write();
    },
  };

  /** Deletes the timed choices; verdicts stay. */
  forgetChoices(): void {
    for (const key of Object.keys(this.stored.choices)) delete this.stored.choices[key];
    this.write({ choices: false });
  }

  private readCurrent(version: string): StoredKernels | undefined {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch {
      return undefined;
    }
    try {
      // Nothing is taken from another version, so it need not be intact.
      if ((JSON.parse(text) as Partial<StoredKernels> | null)?.version !== version) return undefined;
      return v.parse(STORED, openSealedJson(this.path, text));
    } catch (error) {
      this.note(`kernels are checked again: ${this.path} cannot be read (${(error as Error).message})`);
      return undefined;
    }
  }

  /**
   * Writes a temporary file and renames it, so that a killed run leaves an intact file. Entries that another process has added
   * meanwhile are kept.
   */
  private write({ choices = true } = {}): void {
    if (this.failed) return;
    const { stored, path } = this;
    const there = existsSync(path) ? this.readCurrent(stored.version) : undefined;
    Object.assign(stored.verdicts, { ...there?.verdicts, ...stored.verdicts });
    if (choices) Object.assign(stored.choices, { ...there?.choices, ...stored.choices });
    const temporary = `${path}.${process.pid}`;
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(temporary, sealJson(stored, 1));
      renameSync(temporary, path);
    } catch (error) {
      if (existsSync(temporary)) rmSync(temporary);
      this.failed = true;
      this.note(`results of kernel checks cannot be stored: ${(error as Error).message}`);
    }
  }
}

const own = <T>(record: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

const note = (text: string) => say(`${text}\n`);

const stores = new WeakMap<GPUDevice, KernelStore>();

/** The store for a device: one object for everybody who uses it. */
export function kernelStoreOf({ device, adapter, capabilities }: Gpu, env = process.env): KernelStore {
  let store = stores.get(device);
  if (!store) {
    const { name, driver } = adapter;
    const { level } = capabilities;
    store = new KernelStore(kernelFile(adapter, level, env), { adapter: name, driver, level }, note);
    stores.set(device, store);
  }
  return store;
}

/** Makes the device check kernels before their first use, and use stored timed choices. */
export function attachKernels(gpu: Gpu): void {
  // Dawn's null backend does not compute.
  if (gpu.adapter.backend === 'null') return;
  const store = kernelStoreOf(gpu);
  attachChecks(gpu, new KernelChecks(gpu, store.verdicts, { onNote: note }));
  // A tuner without time only follows stored choices.
  if (Object.keys(store.stored.choices).length > 0)
    attachTuner(gpu, new Tuner(gpu, store.choices, { seconds: 0 }));
}

/** Times the kernels of every plan from now on, for this many seconds in total. */
export function startTuning(gpu: Gpu, seconds: number, env: NodeJS.ProcessEnv = process.env): void {
  const store = kernelStoreOf(gpu);
  let announced = false;
  const tuner = new Tuner(gpu, store.choices, {
    seconds,
    onProgress: () => {
      if (!announced) note(`timing kernels for at most ${seconds} s; results are stored in ${store.path}`);
      announced = true;
    },
    onLate: () =>
      note(`${seconds} s were not enough to time all kernels: the others keep the shipped choice`),
    onNote: debugLevel(env) > 0 ? note : undefined,
  });
  attachTuner(gpu, tuner);
}
