/** Opens the adapter that a command runs on, and says so when it is a software one. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Level } from '../../engine/capabilities.js';
import { UserError } from '../../engine/errors.js';
import { type Gpu, NoAdapterError, openGpu } from '../../engine/gpu/gpu.js';
import type { Precision } from '../../models/clip/precision.js';
import { mark } from '../debug/trace.js';
import { MARKER, relaunchIfNeeded } from '../platform/relaunch.js';
import { GPU_GROUP } from '../terminal/help.js';
import { say } from '../terminal/output.js';
import { attachKernels, startTuning } from './kernelStore.js';

/** Flags of `addGpuOptions`. */
export interface GpuFlags {
  readonly adapter?: string;
  readonly level?: Level;
  readonly maxSubmitMs?: number;
  /** Seconds to spend on timing kernels; without it the shipped rules choose them. */
  readonly tune?: number;
}

/** Flag of `addPrecisionOption`. */
export interface PrecisionFlags {
  readonly precision?: Precision;
}

/** Adds `--precision` to a command that loads models but trains none. */
export const addPrecisionOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--precision <f32|f16>',
      'storage of frozen weights, and of activations on tensor cores; f16 halves the memory',
    )
      .choices(['f32', 'f16'])
      .default('f32'),
  );

/** Adds `--adapter`, `--level` and `--max-submit-ms`, and `--tune` where a command can use it. */
export function addGpuOptions(command: Command, { tune = true } = {}): Command {
  command
    .addOption(
      new Option(
        '--adapter <name>',
        'use the adapter whose name contains this; swiftshader: the embedded software adapter',
      )
        .env('PROMPTKD_ADAPTER')
        .helpGroup(GPU_GROUP),
    )
    .addOption(
      new Option('--level <level>', 'GPU features that kernels may use (default: the best of the adapter)')
        .choices(['portable', 'subgroups', 'matrix'])
        .helpGroup(GPU_GROUP),
    )
    .addOption(
      new Option(
        '--max-submit-ms <n>',
        'longest GPU submission in milliseconds, for systems that reset a busy GPU; 0: no limit (default: 1000; ' +
          'software adapters: 0)',
      )
        .argParser(milliseconds)
        .helpGroup(GPU_GROUP),
    );
  if (!tune) return command;
  return command.addOption(
    new Option(
      '--tune [seconds]',
      'time the kernels of this run first, for at most this many seconds (60 if not given), and keep the fastest correct ones',
    )
      .preset(60)
      .argParser(seconds)
      .helpGroup(GPU_GROUP),
  );
}

/**
 * Opens the adapter for a command. Call it before anything that is slow or writes: if the embedded adapter is needed, the
 * command starts over in another process.
 *
 * @throws UserError when there is no adapter; the hint says what to install on this system
 */
export async function commandGpu(flags: GpuFlags, { announce = true } = {}): Promise<Gpu> {
  await relaunchIfNeeded(flags.adapter);
  const gpu = await open(flags);
  if (flags.maxSubmitMs !== undefined) gpu.maxSubmitMs = flags.maxSubmitMs;
  attachKernels(gpu);
  if (flags.tune !== undefined) startTuning(gpu, flags.tune);
  mark('adapter', { adapter: gpu.adapter.name });
  if (announce && gpu.adapter.software) say(`${announcement(gpu)}\n`);
  return gpu;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1e6) || text.trim() === '')
    throw new InvalidArgumentError('Give milliseconds, 0 or more.');
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give seconds, more than 0.');
  return value;
}

async function open(flags: GpuFlags): Promise<Gpu> {
  try {
    return await openGpu(flags);
  } catch (error) {
    if (error instanceof NoAdapterError) {
      await relaunchIfNeeded(flags.adapter, false);
      throw new UserError(error.message, driverHint());
    }
    if (error instanceof UserError && /^(lavapipe|llvmpipe)$/i.test(flags.adapter ?? ''))
      throw new UserError(error.message, 'on Debian, run scripts/install-lavapipe.sh as root');
    throw error;
  }
}

/** Why the adapter in use was chosen. */
export function adapterReason(gpu: Gpu, flags: GpuFlags): string {
  const embedded = process.env[MARKER];
  if (embedded !== undefined) return `embedded software adapter, ${embedded}`;
  if (flags.adapter !== undefined) return 'chosen by --adapter or PROMPTKD_ADAPTER';
  return gpu.adapter.software ? 'there is no GPU adapter' : 'GPUs are preferred to software adapters';
}

function announcement(gpu: Gpu): string {
  const { name } = gpu.adapter;
  const embedded = process.env[MARKER];
  return embedded === undefined
    ? `adapter: ${name}, a software adapter: everything works, but slowly`
    : `adapter: ${name}, the embedded software adapter (${embedded}): everything works, but slowly`;
}

/** How to get a GPU adapter on this system. */
export function driverHint(platform: string = process.platform): string {
  if (platform === 'darwin') return 'update macOS: WebGPU needs Metal, which every Mac since 2012 has';
  if (platform === 'win32') return "update Windows and the GPU's driver: WebGPU needs Direct3D 12";
  return (
    "install the Vulkan loader and your GPU's Vulkan driver (Debian, Ubuntu: libvulkan1 with mesa-vulkan-drivers for " +
    "AMD and Intel; NVIDIA's own driver for NVIDIA)"
  );
}
