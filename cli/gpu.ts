/** What every command does first: choose an adapter, open it, and say so when it is a software one. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Level } from '../engine/capabilities.js';
import { UserError } from '../engine/errors.js';
import { type Gpu, NoAdapterError, openGpu } from '../engine/gpu/gpu.js';
import type { Precision } from '../models/clip/precision.js';
import { attachKernels, startTuning } from './kernelStore.js';
import { say } from './output.js';
import { MARKER, relaunchIfNeeded } from './platform/relaunch.js';
import { mark } from './trace.js';

export interface GpuFlags {
  readonly adapter?: string;
  readonly level?: Level;
  readonly maxSubmitMs?: number;
  /** Times kernels for so many seconds at the most; without it rules that ship with the project choose them. */
  readonly tune?: number;
}

export interface PrecisionFlags {
  readonly precision?: Precision;
}

/** Adds `--precision` to a command that loads models but trains none. */
export const addPrecisionOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--precision <f32|f16>',
      'storage of frozen matrices, and on tensor cores of activations; f16 halves them',
    )
      .choices(['f32', 'f16'])
      .default('f32'),
  );

/** Adds `--adapter` and `--level`, and `--tune` to a command that has use for it. */
export function addGpuOptions(command: Command, { tune = true } = {}): Command {
  command
    .addOption(
      new Option(
        '--adapter <name>',
        "use the adapter with this in its name; 'swiftshader' is the embedded software adapter",
      ).env('PROMPTKD_ADAPTER'),
    )
    .addOption(
      new Option('--level <level>', 'what kernels may use (default: the best that the adapter has)').choices([
        'portable',
        'subgroups',
        'matrix',
      ]),
    );
  command.option(
    '--max-submit-ms <n>',
    'milliseconds of work that the device gets at once, for systems that reset one that is busy for long; 0: any ' +
      '(default: 1000 on GPUs)',
    milliseconds,
  );
  if (!tune) return command;
  return command.addOption(
    new Option(
      '--tune [seconds]',
      'time the kernels of each matrix product first and keep the fastest right one (default: 60 s at the most)',
    )
      .preset(60)
      .argParser(seconds),
  );
}

/**
 * Opens the adapter for a command. Call it before anything that takes time or writes: where the embedded adapter is
 * needed, the command starts again from the beginning in another process.
 *
 * @throws UserError when there is no adapter, with what to install on this system
 */
export async function commandGpu(flags: GpuFlags, { announce = true } = {}): Promise<Gpu> {
  await relaunchIfNeeded(flags.adapter);
  const gpu = await open(flags);
  if (flags.maxSubmitMs !== undefined) gpu.maxSubmitMs = flags.maxSubmitMs;
  attachKernels(gpu);
  if (flags.tune !== undefined) startTuning(gpu, flags.tune);
  mark('adapter', { adapter: gpu.adapter.name });
  if (announce && gpu.adapter.software)
    say(`${announcement(gpu)}
`);
  return gpu;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1e6) || text.trim() === '')
    throw new InvalidArgumentError('give milliseconds from 0.');
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('give the seconds that it may take.');
  return value;
}

async function open(flags: GpuFlags): Promise<Gpu> {
  try {
    return await openGpu(flags);
  } catch (error) {
    if (error instanceof NoAdapterError) {
      await relaunchIfNeeded(flags.adapter, false);
      throw new UserError(error.message, driverMend());
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
  if (flags.adapter !== undefined) return 'as asked for';
  return gpu.adapter.software ? 'a software adapter is all that there is' : 'a real GPU is always preferred';
}

function announcement(gpu: Gpu): string {
  const { name } = gpu.adapter;
  const embedded = process.env[MARKER];
  return embedded === undefined
    ? `adapter: ${name}, a software adapter: everything works, slowly`
    : `adapter: ${name}, the embedded software adapter (${embedded}): everything works, slowly`;
}

/** What to install on this system to get an adapter. */
export function driverMend(platform: string = process.platform): string {
  if (platform === 'darwin') return 'update macOS: WebGPU needs Metal, which every Mac since 2012 has';
  if (platform === 'win32') return "update Windows and the GPU's driver: WebGPU needs Direct3D 12";
  return (
    "install the Vulkan loader and your GPU's Vulkan driver (Debian, Ubuntu: libvulkan1 with mesa-vulkan-drivers for " +
    "AMD and Intel; NVIDIA's own driver for NVIDIA)"
  );
}
