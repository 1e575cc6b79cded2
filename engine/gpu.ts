/**
 * Adapter and device, on Node (Dawn), Deno and in browsers: features, limits, capability level, errors and loss.
 * Nothing else in the engine asks the platform for WebGPU.
 */
import { UserError } from './errors.js';

/** What a kernel may use: plain WGSL, subgroup built-ins, or subgroup matrices (tensor cores). */
export type Level = 'portable' | 'subgroups' | 'matrix';
const LEVELS: readonly Level[] = ['portable', 'subgroups', 'matrix'];

type BackendName = 'vulkan' | 'metal' | 'd3d12' | 'null';

export interface AdapterSummary {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  /** 'vulkan', 'metal', …; 'native' where the platform does not tell. */
  readonly backend: string;
  /** True for SwiftShader, lavapipe, WARP and other adapters that run on the CPU. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export interface GpuOptions {
  readonly backend?: 'auto' | BackendName;
  /** Part of the adapter's name, in any case. Default: the environment's PROMPTKD_ADAPTER, if there is one. */
  readonly adapter?: string;
  /** More Dawn toggles to enable. */
  readonly toggles?: readonly string[];
  /** Caps or forces the capability level; an adapter that does not reach it is refused. */
  readonly level?: Level;
}

export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface Capabilities {
  readonly f16: boolean;
  readonly subgroups: boolean;
  /** Smallest and largest number of invocations in a subgroup. */
  readonly subgroupSize?: readonly [number, number];
  readonly subgroupMatrix: readonly SubgroupMatrixConfig[];
  readonly timestamps: boolean;
  readonly level: Level;
}

const MATRIX = 'chromium-experimental-subgroup-matrix';
const USEFUL_FEATURES = ['shader-f16', 'subgroups', 'subgroup-size-control', 'timestamp-query', MATRIX];

/** Asked for at the adapter's own values: WebGPU's defaults stop at 128 MiB a binding and 16 KiB of workgroup memory. */
const USEFUL_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxUniformBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** Where Dawn calls an adapter something else than people do. */
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

function dawnFlags(options: GpuOptions, adapter?: string): string[] {
  const { backend = 'auto', toggles = [] } = options;
  return [
    ...(backend === 'auto' ? [] : [`backend=${backend}`]),
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    `enable-dawn-features=${['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', ...toggles].join(',')}`,
    'disable-dawn-features=timestamp_quantization',
  ];
}

/**
 * Names as Dawn's drivers give them; the only list there is comes with the refusal of a name that nothing has.
 * Undefined where the platform has no list.
 */
async function listNames(options: GpuOptions): Promise<{ backend: string; name: string }[] | undefined> {
  const source = await openSource(dawnFlags(options, '?'));
  if (!source.dawn) return undefined;
  try {
    await withLiveHandle(source.gpu.requestAdapter(WISH));
    return [];
  } catch (error) {
    const found = String(error).matchAll(/backend: '([^']*)', name: '(.*)'$/gm);
    return [...found].map(([, backend, name]) => ({ backend, name }));
  }
}

type Info = GPUAdapterInfo & {
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

function capabilitiesOf(adapter: GPUAdapter, summary: AdapterSummary, wanted?: Level): Capabilities {
  const info = adapter.info as Info;
  const has = (feature: string) => adapter.features.has(feature as GPUFeatureName);
  const subgroupMatrix = [...(has(MATRIX) ? (info.subgroupMatrixConfigs ?? []) : [])].map(
    ({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K }),
  );
  // The null backend compiles every shader but names no matrix sizes, as it runs none.
  const matrix = has(MATRIX) && (subgroupMatrix.length > 0 || summary.backend === 'null');
  const reached: Level = matrix ? 'matrix' : has('subgroups') ? 'subgroups' : 'portable';
  if (wanted && LEVELS.indexOf(wanted) > LEVELS.indexOf(reached))
    throw new UserError(
      `${summary.name} does not offer level ${wanted}, only ${reached}`,
      `leave the level out, or choose ${LEVELS.slice(0, LEVELS.indexOf(reached) + 1).join(' or ')}`,
    );
  return {
    f16: has('shader-f16'),
    subgroups: has('subgroups'),
    subgroupSize: has('subgroups') ? [info.subgroupMinSize ?? 4, info.subgroupMaxSize ?? 128] : undefined,
    subgroupMatrix,
    timestamps: has('timestamp-query'),
    level: wanted ?? reached,
  };
}

/** The environment's wish, where there is an environment. */
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

async function findAdapter(
  options: GpuOptions,
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

/**
 * Opens the best adapter: a real one where there is one, with every feature and limit that kernels can use.
 *
 * @throws UserError when there is no adapter, or none of the wanted name or level
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const { adapter, summary, dawn } = await findAdapter(options);
  const capabilities = capabilitiesOf(adapter, summary, options.level);
  const requiredFeatures = USEFUL_FEATURES.filter((f) => summary.features.includes(f)) as GPUFeatureName[];
  const requiredLimits: Record<string, number> = {};
  for (const name of USEFUL_LIMITS) {
    const value = summary.limits[name];
    if (value !== undefined) requiredLimits[name] = value;
  }
  const device = await withLiveHandle(
    adapter.requestDevice({ label: 'promptkd', requiredFeatures, requiredLimits }),
  );
  return new Gpu(device, summary, capabilities, dawn);
}

/** A device, what it can do, and the errors that it reported. */
export class Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterSummary;
  readonly capabilities: Capabilities;
  private failure: Error | undefined;
  private destroyed = false;
  private readonly dawn: boolean;

  constructor(device: GPUDevice, adapter: AdapterSummary, capabilities: Capabilities, dawn: boolean) {
    this.device = device;
    this.adapter = adapter;
    this.capabilities = capabilities;
    this.dawn = dawn;
    device.addEventListener('uncapturederror', (event) => {
      // Dawn writes the message to stdout otherwise.
      event.preventDefault();
      this.failure ??= asError((event as GPUUncapturedErrorEvent).error, 'the device');
    });
    void device.lost.then(({ reason, message }) => {
      if (this.destroyed) return;
      this.failure ??= new Error(`the GPU device was lost (${reason}): ${message}`);
    });
  }

  /**
   * Awaits a GPU promise. Use it for every wait: on Node, Dawn spins the main thread while one is pending, which
   * takes a core away from a software adapter, and without another live handle Node may sleep through its end.
   */
  async wait<T>(promise: Promise<T>): Promise<T> {
    if (!this.dawn) return promise;
    return this.adapter.software ? withNaps(promise) : withLiveHandle(promise);
  }

  /**
   * Runs `make`, which creates resources, and waits until the device has accepted them.
   *
   * @param label what is made, for the message
   * @throws UserError when the memory does not suffice; Error when the device refuses the call
   */
  async scoped<T>(label: string, make: () => T): Promise<T> {
    const { device } = this;
    for (const filter of ['internal', 'validation', 'out-of-memory'] as const) device.pushErrorScope(filter);
    const pop = () =>
      this.wait(Promise.all([device.popErrorScope(), device.popErrorScope(), device.popErrorScope()]));
    let made: T;
    try {
      made = make();
    } catch (error) {
      await pop();
      throw error;
    }
    const errors = await pop();
    const error = errors.find((e) => e !== null);
    if (error) throw asError(error, label);
    this.check();
    return made;
  }

  /** Throws the first error that the device reported outside `scoped`, or its loss. Costs nothing; call it every step. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Frees the device and everything made with it. */
  destroy(): void {
    this.destroyed = true;
    this.device.destroy();
  }
}

function asError(error: GPUError, label: string): Error {
  // What is beyond the adapter's limits comes as a validation error, but is the same mistake to a user.
  if (error.constructor.name === 'GPUOutOfMemoryError' || /exceeds the max buffer size/i.test(error.message))
    return new UserError(
      `not enough GPU memory for ${label}: ${firstLine(error)}`,
      'use a smaller batch, a smaller model or an adapter with more memory',
    );
  return new Error(`${label}: ${error.message}`);
}

const firstLine = (error: unknown) => String((error as Error)?.message ?? error).split('\n', 1)[0];

/** Without a live handle Node may block on background compilation before a GPU promise resolves. */
async function withLiveHandle<T>(promise: Promise<T>): Promise<T> {
  const handle = setInterval(() => {}, 2 ** 30);
  try {
    return await promise;
  } finally {
    clearInterval(handle);
  }
}

const SPIN_MS = 0.5;
const NAP_MS = 1;
let waiting = 0;
let napping = false;
let spinUntil = 0;
let cell: Int32Array | undefined;

/** As `withLiveHandle`, and sleeps a millisecond at a time between Dawn's polls so that it does not hold a core. */
async function withNaps<T>(promise: Promise<T>): Promise<T> {
  waiting++;
  spinUntil = performance.now() + SPIN_MS;
  if (!napping) {
    napping = true;
    cell ??= new Int32Array(new SharedArrayBuffer(4));
    setImmediate(nap);
  }
  try {
    return await withLiveHandle(promise);
  } finally {
    waiting--;
  }
}

function nap(): void {
  napping = waiting > 0;
  if (!napping) return;
  if (performance.now() > spinUntil) Atomics.wait(cell!, 0, 0, NAP_MS);
  setImmediate(nap);
}
