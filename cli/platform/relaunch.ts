/**
 * Chooses between the machine's own Vulkan and the embedded SwiftShader. SwiftShader needs a new process, because the dynamic
 * loader reads LD_LIBRARY_PATH only at the start of one.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import { NoAdapterError, openGpu } from '../../engine/gpu/gpu.js';
import { ensureSwiftShader, swiftShaderEnvironment } from './swiftshader.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Environment variable of a relaunched process. It holds the reason, and prevents a second relaunch. */
export const MARKER = 'PROMPTKD_EMBEDDED_ADAPTER';

/** Which parts of Vulkan are installed. `present`: a driver is registered, though it may not work. */
export type VulkanState = 'no loader' | 'no driver' | 'present' | 'not used';

/** What the choice depends on. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly env: Environment;
  /** Examines the machine; called only if it matters. */
  readonly vulkan: () => VulkanState;
  /** Whether WebGPU finds an adapter; called only if a driver is registered. */
  readonly hasAdapter: () => Promise<boolean>;
}

/** The reason to use the embedded adapter, or undefined to use the machine's own. */
export async function embeddedReason(machine: Machine, wanted?: string): Promise<string | undefined> {
  const { platform, arch, env } = machine;
  if (platform !== 'linux' || arch !== 'x64' || env[MARKER] !== undefined) return undefined;
  if (wanted !== undefined)
    return /^swiftshader$/i.test(wanted) ? 'chosen by --adapter or PROMPTKD_ADAPTER' : undefined;
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

/** Examines the installed Vulkan. Asking Dawn instead would print its warnings to stderr. */
export function vulkanState(env: Environment = process.env): VulkanState {
  if (process.platform !== 'linux') return 'not used';
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
  } catch (error) {
    // A library that was found fails too, as it is not a Node module, but with another message.
    if (/cannot open shared object|No such file/i.test((error as Error).message)) return 'no loader';
  }
  return hasManifest(env) ? 'present' : 'no driver';
}

/** Whether the Vulkan loader would find a driver manifest in the folders that it searches. */
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
 * Environment variables that a process needs to find an adapter; empty if it needs none.
 *
 * @throws UserError if the embedded adapter is needed but not available
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
 * If the embedded adapter is needed, runs this command again with it and ends this process with the same exit code. Otherwise
 * returns at once.
 *
 * @param wanted the adapter that the user chose
 * @param usable false if the installed driver has turned out to have no adapter
 */
export async function relaunchIfNeeded(wanted: string | undefined, usable = true): Promise<void> {
  if (process.env[MARKER] !== undefined) return followParent();
  const machine = thisMachine(async () => usable);
  const added = await adapterEnvironment(wanted, machine);
  if (Object.keys(added).length === 0) return;
  process.exit(await runAgain([...process.execArgv, ...process.argv.slice(1)], { ...process.env, ...added }));
}

/** Starts Node with `args`, forwards signals, and returns the exit code (128 + signal, like shells). */
export function runAgain(args: readonly string[], env: Environment): Promise<number> {
  const child = spawn(process.execPath, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    // A terminal sends Ctrl-C to both processes, others only to this one; the child counts two in a row as one (stop.ts).
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 1)));
  });
}

/** Ends this process when its parent is killed, so that it does not keep writing into a run folder. */
function followParent(): void {
  if (!process.channel) return;
  // Not `process.exit`, which sometimes crashes while a software adapter works.
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // The channel would keep this process alive.
  process.channel.unref();
}
