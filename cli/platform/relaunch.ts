/**
 * Chooses between the machine's own Vulkan and the embedded SwiftShader, and starts the command again where SwiftShader
 * is needed: the dynamic loader reads LD_LIBRARY_PATH only when a process starts.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import { NoAdapterError, openGpu } from '../../engine/gpu/gpu.js';
import { ensureSwiftShader, swiftShaderEnvironment } from './swiftshader.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Set in a process that was started again; holds the reason. It keeps a second attempt from happening. */
export const MARKER = 'PROMPTKD_EMBEDDED_ADAPTER';

/** What of Vulkan is installed. `present` says that a driver is registered, not that it works. */
export type VulkanState = 'no loader' | 'no driver' | 'present' | 'not used';

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly env: Environment;
  /** Looks at the machine; called only when it matters. */
  readonly vulkan: () => VulkanState;
  /** Whether WebGPU finds any adapter; called only where a driver is registered. */
  readonly hasAdapter: () => Promise<boolean>;
}

/** The reason to use the embedded adapter, or undefined to use what the machine has. */
export async function embeddedReason(machine: Machine, wanted?: string): Promise<string | undefined> {
  const { platform, arch, env } = machine;
  if (platform !== 'linux' || arch !== 'x64' || env[MARKER] !== undefined) return undefined;
  if (wanted !== undefined) return /^swiftshader$/i.test(wanted) ? 'as asked for' : undefined;
  const state = machine.vulkan();
  if (state === 'no loader') return 'no Vulkan loader is installed';
  if (state === 'no driver') return 'no Vulkan driver is installed';
  return (await machine.hasAdapter()) ? undefined : 'the installed Vulkan driver is not usable';
}

/** This machine, as it is. */
function thisMachine(hasAdapter: Machine['hasAdapter']): Machine {
  const { platform, arch, env } = process;
  return { platform, arch, env, vulkan: () => vulkanState(env), hasAdapter };
}

async function findsAdapter(): Promise<boolean> {
  try {
    (await openGpu()).destroy();
    return true;
  } catch (error) {
    if (error instanceof NoAdapterError) return false;
    throw error;
  }
}

/** Asking Dawn would do as well, but writes warnings of its own to stderr when something is missing. */
export function vulkanState(env: Environment = process.env): VulkanState {
  if (process.platform !== 'linux') return 'not used';
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
  } catch (error) {
    // A library that was found is refused too, as it is no Node module.
    if (/cannot open shared object|No such file/i.test((error as Error).message)) return 'no loader';
  }
  return hasManifest(env) ? 'present' : 'no driver';
}

/** Whether the Vulkan loader would find a driver's manifest, in the places where it looks. */
function hasManifest(env: Environment): boolean {
  if (env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES || env.VK_ADD_DRIVER_FILES) return true;
  const home = env.HOME || homedir();
  const roots = [
    env.XDG_CONFIG_HOME || join(home, '.config'),
    ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/etc',
    '/usr/local/etc',
    env.XDG_DATA_HOME || join(home, '.local/share'),
    ...(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
    '/run/opengl-driver/share',
  ];
  return roots.some((root) => {
    try {
      return readdirSync(join(root, 'vulkan/icd.d')).some((file) => file.endsWith('.json'));
    } catch {
      return false;
    }
  });
}

/**
 * What to add to the environment of a process so that it finds an adapter; empty where it does as things are.
 *
 * @throws UserError when the embedded adapter is needed and cannot be had
 */
export async function adapterEnvironment(
  wanted: string | undefined,
  machine: Machine = thisMachine(findsAdapter),
): Promise<Record<string, string>> {
  const reason = await embeddedReason(machine, wanted);
  if (reason === undefined) return {};
  const folder = await ensureSwiftShader(machine.env);
  return { ...swiftShaderEnvironment(folder, machine.env), [MARKER]: reason };
}

/**
 * Runs this very command again with the embedded adapter where that is needed, and then never returns: this process
 * ends with the other's exit code. Returns at once where the machine's own adapter serves.
 *
 * @param wanted the adapter asked for
 * @param usable false once an installed driver has turned out to give no adapter
 */
export async function relaunchIfNeeded(wanted: string | undefined, usable = true): Promise<void> {
  if (process.env[MARKER] !== undefined) return followParent();
  const machine = thisMachine(async () => usable);
  const added = await adapterEnvironment(wanted, machine);
  if (Object.keys(added).length === 0) return;
  const [script, ...rest] = process.argv.slice(1);
  process.exit(await runAgain([...process.execArgv, script, ...rest], { ...process.env, ...added }));
}

/** Starts Node with `args`, passes signals on, and gives the exit code (128 + signal as shells do). */
export function runAgain(args: readonly string[], env: Environment): Promise<number> {
  const child = spawn(process.execPath, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    // A terminal sends Ctrl-C to both processes, anybody else to this one: the other counts both as one (stop.ts).
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 1)));
  });
}

/** Ends this process when the one that started it is killed, so that nobody goes on writing into a run's folder. */
function followParent(): void {
  if (!process.channel) return;
  // Not `process.exit`, which crashes now and then where a software adapter is at work.
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // Listening would keep this process alive.
  process.channel.unref();
}
