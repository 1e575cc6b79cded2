/**
 * Adapter and device, on Node (Dawn), Deno and in browsers: features, limits, capability level, errors and loss.
 * Nothing else in the engine asks the platform for WebGPU.
 */

import { type Capabilities, LEVELS, type Level } from '../capabilities.js';
import { OutOfMemoryError, UserError } from '../errors.js';
import { computeUnits } from '../units.js';
import { type AdapterOptions, type AdapterSummary, findAdapter, firstLine, type Info } from './adapter.js';
import { withLiveHandle, withNaps } from './waiting.js';

export type { Capabilities, Level } from '../capabilities.js';
export { type AdapterSummary, listAdapters, NoAdapterError } from './adapter.js';

/** Which adapter to open, and how. */
export interface GpuOptions extends AdapterOptions {
  /** Caps or forces the capability level; an adapter that does not reach it is refused. */
  readonly level?: Level;
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

function capabilitiesOf(
  adapter: GPUAdapter,
  summary: AdapterSummary,
  dawn: boolean,
  wanted?: Level,
): Capabilities {
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
    ...(!dawn && has('subgroups') && !numbersSubgroups() && { unnumberedSubgroups: true }),
    subgroupSizeControl: has('subgroup-size-control'),
    workgroupMemory: summary.limits.maxComputeWorkgroupStorageSize ?? 16384,
    workgroupInvocations: summary.limits.maxComputeInvocationsPerWorkgroup,
    units: computeUnits(summary),
    timestamps: has('timestamp-query'),
    software: summary.software,
    level: wanted ?? reached,
  };
}

/** Whether the platform's own WGSL has `subgroup_id` and `num_subgroups`. */
const numbersSubgroups = (): boolean =>
  (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu?.wgslLanguageFeatures?.has('subgroup_id') ===
  true;

/**
 * Opens the best adapter: a real one where there is one, with every feature and limit that kernels can use.
 *
 * @throws UserError when there is no adapter, or none of the wanted name or level
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const { adapter, summary, dawn } = await findAdapter(options);
  const capabilities = capabilitiesOf(adapter, summary, dawn, options.level);
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

/** Bytes as text, `12.5 MiB`. */
export const mebibytes = (bytes: number, decimals = 1): string =>
  `${(bytes / 2 ** 20).toFixed(decimals)} MiB`;

const MAX_SUBMIT_MS = 1000;

/** How many milliseconds after a failing call the loss of the device may still be reported. */
const LOSS_MS = 200;

/** The device is lost: reset by a watchdog, unplugged, or its driver has crashed. Its resources cannot be used any more. */
export class DeviceLostError extends Error {}

/** A device, what it can do, and the errors that it reported. */
export class Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterSummary;
  readonly capabilities: Capabilities;
  /**
   * The longest that a submission may keep the device busy, in milliseconds; 0 means no limit. Watchdogs allow two seconds or more;
   * software adapters have none.
   */
  maxSubmitMs: number;
  /** Bytes of all tensors that are allocated or requested. */
  held = 0;
  private failure: Error | undefined;
  private destroyed = false;
  private loss: DeviceLostError | undefined;
  private readonly dawn: boolean;

  constructor(device: GPUDevice, adapter: AdapterSummary, capabilities: Capabilities, dawn: boolean) {
    this.device = device;
    this.adapter = adapter;
    this.capabilities = capabilities;
    this.dawn = dawn;
    this.maxSubmitMs = capabilities.software ? 0 : MAX_SUBMIT_MS;
    device.addEventListener('uncapturederror', (event) => {
      // Dawn writes the message to stdout otherwise.
      event.preventDefault();
      const label = `the ${mebibytes(this.held)} that are asked for in all`;
      this.failure ??= asError((event as GPUUncapturedErrorEvent).error, 'the device', label);
    });
    void device.lost.then(({ reason, message }) => {
      if (this.destroyed) return;
      this.loss = new DeviceLostError(`the GPU device was lost (${reason}): ${firstLine({ message })}`);
      this.failure ??= this.loss;
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
   * @throws OutOfMemoryError when the memory does not suffice; Error when the device refuses the call
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

  /**
   * The loss of the device if it caused an error: a call may fail before the loss is reported.
   *
   * @param error thrown by a call
   */
  async lossBehind(error: unknown): Promise<DeviceLostError | undefined> {
    if (error instanceof DeviceLostError) return error;
    if (error instanceof UserError || this.destroyed) return undefined;
    const moment = new Promise((resolve) => setTimeout(resolve, LOSS_MS));
    await Promise.race([this.device.lost, moment]);
    return this.loss;
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

/** Dawn's messages, then those of wgpu (Deno). */
const TOO_LARGE =
  /exceeds the max buffer size|larger than the maximum storage buffer binding size|greater than the maximum buffer size|exceeds `max_\*_buffer_binding_size` limit/i;

/** @param what memory was wanted for (default: the label) */
function asError(error: GPUError, label: string, what = label): Error {
  // Exceeding the adapter's limits is a validation error in WebGPU, but means the same to a user.
  if (error.constructor.name === 'GPUOutOfMemoryError' || TOO_LARGE.test(error.message))
    return new OutOfMemoryError(`not enough GPU memory for ${what}: ${firstLine(error)}`);
  return new Error(`${label}: ${error.message}`);
}
