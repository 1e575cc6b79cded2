/** Finds adapters: the platform's WebGPU or Dawn's, by preference or by name. Only gpu.ts uses this. */
import type { SubgroupMatrixConfig } from '../capabilities.js';
import { UserError } from '../errors.js';
import { withLiveHandle } from './waiting.js';

/** A backend of WebGPU implementations. */
export type BackendName = 'vulkan' | 'metal' | 'd3d12' | 'null';

/** What is known about an adapter without opening it. */
export interface AdapterSummary {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  /** 'vulkan', 'metal', …; 'native' if the platform does not say. */
  readonly backend: string;
  /** True for SwiftShader, lavapipe, WARP and other adapters that run on the CPU. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** Which adapter to look for. */
export interface AdapterOptions {
  readonly backend?: 'auto' | BackendName;
  /** Part of the adapter's name, in any case. Default: the environment's PROMPTKD_ADAPTER, if there is one. */
  readonly adapter?: string;
  /** More Dawn toggles to enable. */
  readonly toggles?: readonly string[];
}

/** Common names of adapters that Dawn calls differently. */
const ALIASES: Readonly<Record<string, string>> = { lavapipe: 'llvmpipe' };
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|microsoft basic render|\bwarp\b/i;

const WISH: GPURequestAdapterOptions = { featureLevel: 'core', powerPreference: 'high-performance' };

/** The npm package `webgpu`, as far as it is used. */
interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: object;
}

/** A GPU entry point and where it came from. */
interface Source {
  readonly gpu: GPU;
  readonly dawn: boolean;
}

/** Dawn's instances: the process crashes when one is garbage collected, so they stay reachable for ever. */
const instances: GPU[] = [];

async function openSource(flags: readonly string[]): Promise<Source> {
  const native = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (native) return { gpu: native, dawn: false };
  let dawn: Dawn;
  try {
    dawn = (await import('webgpu')) as unknown as Dawn;
  } catch (error) {
    throw new UserError(
      `WebGPU is not available: ${firstLine(error)}`,
      'reinstall with npm install; the webgpu package has binaries for Linux, macOS and Windows',
    );
  }
  for (const [name, value] of Object.entries(dawn.globals)) if (!(name in globalThis)) define(name, value);
  const gpu = dawn.create([...flags]);
  instances.push(gpu);
  return { gpu, dawn: true };
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

/**
 * Dawn toggles that are on for every device. Without `disable_robustness` every index in every loop would be clamped;
 * tests run all kernels with checks of their own instead (bounds.ts).
 */
export const ENABLED_TOGGLES: readonly string[] = [
  'allow_unsafe_apis',
  'vulkan_enable_f16_on_nvidia',
  'disable_robustness',
];
/** Dawn toggles that are off for every device. */
export const DISABLED_TOGGLES: readonly string[] = ['timestamp_quantization'];

/** What Dawn's `create` takes: the backend, the whole name of an adapter, and the toggles. */
export function dawnFlags(options: AdapterOptions, adapter?: string): string[] {
  const { backend = 'auto', toggles = [] } = options;
  return [
    ...(backend === 'auto' ? [] : [`backend=${backend}`]),
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    `enable-dawn-features=${[...ENABLED_TOGGLES, ...toggles].join(',')}`,
    `disable-dawn-features=${DISABLED_TOGGLES.join(',')}`,
  ];
}

/**
 * Names as Dawn's drivers give them; the only list there is comes with the refusal of a name that nothing has.
 * Undefined where the platform has no list.
 */
async function listNames(options: AdapterOptions): Promise<{ backend: string; name: string }[] | undefined> {
  const source = await openSource(dawnFlags(options, '?'));
  if (!source.dawn) return undefined;
  try {
    await withLiveHandle(source.gpu.requestAdapter(WISH));
    return [];
  } catch (error) {
    const found = String(error).matchAll(/backend: '([^']*)', name: '(.*)'$/gm);
    return [...found].map(([, backend = '', name = '']) => ({ backend, name }));
  }
}

/** The adapter's own description, with Dawn's additions. */
export type Info = GPUAdapterInfo & {
  readonly isFallbackAdapter?: boolean;
  readonly subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[];
};

function summarise(adapter: GPUAdapter, backend: string, name?: string): AdapterSummary {
  const info = adapter.info as Info;
  const limits: Record<string, number> = {};
  for (const key in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[key];
    if (typeof value === 'number') limits[key] = value;
  }
  const said = [name, info.device, info.description, info.vendor, info.architecture].join(' ');
  // Deno gives the name as the description, and a number as the device.
  const device = /[a-z]/i.test(info.device) ? info.device : info.description;
  return {
    name: name ?? (device || info.vendor || 'unnamed adapter'),
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    backend,
    software: info.isFallbackAdapter === true || SOFTWARE.test(said),
    features: [...adapter.features].sort(),
    limits,
  };
}

/** The adapter named by the environment, if there is one. */
function environmentAdapter(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  try {
    return process?.env?.PROMPTKD_ADAPTER || undefined;
  } catch {
    return undefined; // Deno without permission to read it.
  }
}

/** Real adapters in Dawn's order, discrete first; then software ones, SwiftShader last as it has no f16. */
function byPreference(a: { name: string }, b: { name: string }): number {
  const rank = ({ name }: { name: string }) => (/swiftshader/i.test(name) ? 2 : SOFTWARE.test(name) ? 1 : 0);
  return rank(a) - rank(b);
}

/** Compares names as Dawn's normalised ones do: `NVIDIA H200` and `nvidia-h200` are one. */
const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]+/g, '-');

/** The platform shows no adapter at all, as opposed to none of the wanted name. */
export class NoAdapterError extends UserError {}

function noAdapter(found: readonly { name: string }[], wanted?: string): UserError {
  const list = found.map((f) => f.name).join(', ');
  if (wanted !== undefined && found.length > 0)
    return new UserError(`no adapter is called ${wanted}; there is: ${list}`, 'choose one of these names');
  return new NoAdapterError(
    `no WebGPU adapter was found${wanted === undefined ? '' : `, so none is called ${wanted}`}`,
    'install a GPU driver with Vulkan support (Linux), or update the system and its GPU driver (macOS, Windows)',
  );
}

/** The adapter to use, what is known of it, and whether it is Dawn's. */
export async function findAdapter(
  options: AdapterOptions,
): Promise<{ adapter: GPUAdapter; summary: AdapterSummary; dawn: boolean }> {
  const wanted = options.adapter ?? (options.backend === 'null' ? undefined : environmentAdapter());
  const list = await listNames(options);
  if (list?.length === 0) throw noAdapter([], wanted);
  const names = list ?? [];
  const part = wanted === undefined ? '' : plain(ALIASES[wanted.toLowerCase()] ?? wanted);
  const match = names.sort(byPreference).find(({ name }) => plain(name).includes(part));
  if (wanted !== undefined && names.length > 0 && !match) throw noAdapter(names, wanted);
  const source = await openSource(dawnFlags(options, match?.name));
  const adapter = await withLiveHandle(source.gpu.requestAdapter(WISH));
  if (!adapter) throw noAdapter(names, wanted);
  const known = names.find(({ name }) => plain(name) === plain(adapter.info.device));
  const backend = options.backend === 'null' ? 'null' : (known?.backend ?? 'native');
  const summary = summarise(adapter, backend, known?.name);
  if (wanted !== undefined && !match && !plain(summary.name).includes(part))
    throw noAdapter([summary], wanted);
  return { adapter, summary, dawn: source.dawn };
}

/**
 * Every adapter that the platform shows, each once, for `promptkd doctor`. Never throws: an empty list means none.
 */
export async function listAdapters(): Promise<AdapterSummary[]> {
  const found = new Map<string, AdapterSummary>();
  for (const backend of ['vulkan', 'metal', 'd3d12'] as const) {
    try {
      for (const { name } of (await listNames({ backend })) ?? []) {
        const { gpu } = await openSource(dawnFlags({ backend }, name));
        const adapter = await withLiveHandle(gpu.requestAdapter());
        if (adapter) found.set(`${backend}/${name}`, summarise(adapter, backend, name));
      }
    } catch {
      // A backend that this system does not have.
    }
  }
  // Deno and browsers give one adapter for a wish and no list.
  for (const wish of [
    { powerPreference: 'high-performance' },
    { powerPreference: 'low-power' },
    { forceFallbackAdapter: true },
  ] as const) {
    const { gpu, dawn } = await openSource(dawnFlags({}));
    if (dawn) break;
    const adapter = await gpu.requestAdapter(wish);
    if (adapter) {
      const summary = summarise(adapter, 'native');
      found.set(summary.name, summary);
    }
  }
  return [...found.values()];
}

/** Native errors go on for lines; the first says what happened. */
export const firstLine = (error: unknown) => String((error as Error)?.message ?? error).split('\n', 1)[0];
