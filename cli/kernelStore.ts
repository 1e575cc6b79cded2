/**
 * What is known of the kernels on an adapter, in the user's cache: verdicts (engine/kernels/kernelChecks.ts) and timed choices
 * (engine/kernels/tuner.ts). One file an adapter, driver and level.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Level } from '../engine/capabilities.js';
import type { Gpu } from '../engine/gpu/gpu.js';
import {
  attachChecks,
  KernelChecks,
  shaderFingerprint,
  type VerdictStore,
} from '../engine/gpu/kernelChecks.js';
import { attachTuner, type TunedChoice, Tuner, type TuningStore } from '../engine/gpu/tuner.js';
import { openSealedJson, sealJson } from '../models/runs/sealedJson.js';
import { say } from './output.js';
import { cacheFolder } from './platform/cacheFolder.js';

const STORED = v.object({
  adapter: v.string(),
  driver: v.string(),
  level: v.string(),
  /** Of WebGPU's implementation and of all kernel texts: what another version of them says does not count. */
  version: v.string(),
  verdicts: v.record(v.string(), v.string()),
  choices: v.record(
    v.string(),
    v.object({ name: v.string(), milliseconds: v.record(v.string(), v.number()) }),
  ),
});
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
 * The file for an adapter: its name to read, and a hash of what decides which kernels there are. What is found at a lower level
 * must not take the place of what is found at the adapter's own.
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

/** A store in a file, for both. */
export class KernelStore {
  readonly stored: StoredKernels;
  private failed = false;

  /** @param note told once where a file cannot be read or written; the run goes on without it */
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

  /** Drops the timed choices; verdicts stay. */
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
      // Of another version nothing is taken, so it does not matter whether it is whole.
      if ((JSON.parse(text) as Partial<StoredKernels> | null)?.version !== version) return undefined;
      return v.parse(STORED, openSealedJson(this.path, text));
    } catch (error) {
      this.note(
        `what is known of the kernels is found out again: ${this.path} cannot be read (${(error as Error).message})`,
      );
      return undefined;
    }
  }

  /**
   * Under a temporary name that is renamed, so that a run that is killed leaves a whole file. What another process has found out
   * meanwhile is kept.
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
      this.note(`what is found out about the kernels is not kept: ${(error as Error).message}`);
    }
  }
}

const own = <T>(record: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

const note = (text: string) => say(`${text}\n`);

const stores = new WeakMap<GPUDevice, KernelStore>();

/** What is known of the kernels on a device: one store for all that use it. */
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

/** Has kernels checked before they are used, and those that somebody has timed chosen. */
export function attachKernels(gpu: Gpu): void {
  // Dawn's null backend computes nothing.
  if (gpu.adapter.backend === 'null') return;
  const store = kernelStoreOf(gpu);
  attachChecks(gpu, new KernelChecks(gpu, store.verdicts, { onNote: note }));
  // Without any time of its own it follows what is stored.
  if (Object.keys(store.stored.choices).length > 0)
    attachTuner(gpu, new Tuner(gpu, store.choices, { seconds: 0 }));
}

/** Times the kernels of every plan from now on, for so many seconds in all. */
export function startTuning(gpu: Gpu, seconds: number, env: NodeJS.ProcessEnv = process.env): void {
  const store = kernelStoreOf(gpu);
  let announced = false;
  const tuner = new Tuner(gpu, store.choices, {
    seconds,
    onProgress: () => {
      if (!announced) note(`timing the kernels of products, ${seconds} s at the most; kept in ${store.path}`);
      announced = true;
    },
    onLate: () =>
      note(`${seconds} s were not enough to time all products: the others keep the shipped choice`),
    onNote: env.DEBUG ? note : undefined,
  });
  attachTuner(gpu, tuner);
}
