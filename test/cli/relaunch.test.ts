import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  adapterEnvironment,
  embeddedReason,
  MARKER,
  type Machine,
  type VulkanState,
} from '../../cli/platform/relaunch.js';
import { ensureSwiftShader, swiftShaderEnvironment } from '../../cli/platform/swiftshader.js';
import { UserError } from '../../engine/errors.js';

const linux = process.platform === 'linux' && process.arch === 'x64';

function machine(change: Partial<Machine> & { state?: VulkanState; usable?: boolean } = {}): Machine {
  const { state = 'present', usable = true, ...rest } = change;
  return {
    platform: 'linux',
    arch: 'x64',
    env: {},
    vulkan: () => state,
    hasAdapter: async () => usable,
    ...rest,
  };
}

describe('embeddedReason', () => {
  it('prefers what the machine has', async () => {
    expect(await embeddedReason(machine())).toBeUndefined();
  });

  it.each([
    [{ state: 'no loader' }, 'no Vulkan loader is installed'],
    [{ state: 'no driver' }, 'no Vulkan driver is installed'],
    [{ usable: false }, 'the installed Vulkan driver is not usable'],
  ] as const)('tells what is missing: %j', async (change, reason) => {
    expect(await embeddedReason(machine(change))).toBe(reason);
  });

  it('does not open Dawn if no driver is installed', async () => {
    const hasAdapter = () => Promise.reject(new Error('opened'));
    expect(await embeddedReason(machine({ state: 'no driver', hasAdapter }))).toBeDefined();
  });

  it('follows --adapter: swiftshader even if there is a GPU, and never instead of another adapter', async () => {
    expect(await embeddedReason(machine(), 'SwiftShader')).toMatch(/chosen by --adapter/);
    expect(await embeddedReason(machine({ usable: false }), 'lavapipe')).toBeUndefined();
  });

  it('never relaunches twice, or on other systems', async () => {
    const bare = { state: 'no loader' } as const;
    expect(await embeddedReason(machine({ ...bare, env: { [MARKER]: 'reason' } }))).toBeUndefined();
    expect(await embeddedReason(machine({ ...bare, platform: 'darwin', arch: 'arm64' }))).toBeUndefined();
    expect(await embeddedReason(machine({ ...bare, platform: 'win32' }), 'swiftshader')).toBeUndefined();
    expect(await embeddedReason(machine({ ...bare, arch: 'arm64' }))).toBeUndefined();
  });
});

describe('swiftShaderEnvironment', () => {
  it('puts its folder before other libraries', () => {
    expect(swiftShaderEnvironment('/c', { LD_LIBRARY_PATH: '/mine' })).toEqual({
      LD_LIBRARY_PATH: '/c:/mine',
      VK_DRIVER_FILES: '/c/vk_swiftshader_icd.json',
      MALLOC_TRIM_THRESHOLD_: '67108864',
      MALLOC_MMAP_THRESHOLD_: '4194304',
    });
    expect(swiftShaderEnvironment('/c', {}).LD_LIBRARY_PATH).toBe('/c');
  });

  it("leaves a user's own settings of the allocator alone", () => {
    const { MALLOC_TRIM_THRESHOLD_: trim, MALLOC_MMAP_THRESHOLD_: mmap } = swiftShaderEnvironment('/c', {
      MALLOC_TRIM_THRESHOLD_: '0',
    });
    expect([trim, mmap]).toEqual([undefined, undefined]);
  });
});

describe.runIf(linux)('ensureSwiftShader', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'promptkd-cache-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it('unpacks the three files once, even if two processes start at the same time', async () => {
    const env = { XDG_CACHE_HOME: home };
    const [folder, other] = await Promise.all([ensureSwiftShader(env), ensureSwiftShader(env)]);
    expect(other).toBe(folder);
    expect(readdirSync(folder).sort()).toEqual([
      'libvk_swiftshader.so',
      'libvulkan.so.1',
      'vk_swiftshader_icd.json',
    ]);
    expect(readdirSync(join(home, 'promptkd'))).toHaveLength(1);
    const made = statSync(folder).ctimeMs;
    await ensureSwiftShader(env);
    expect(statSync(folder).ctimeMs).toBe(made);
    expect(statSync(join(folder, 'libvulkan.so.1')).uid).toBe(process.getuid?.());
  });

  it('uses ~/.cache if XDG_CACHE_HOME is not set', async () => {
    expect(await ensureSwiftShader({ HOME: home })).toMatch(join(home, '.cache', 'promptkd', 'swiftshader-'));
  });

  it('replaces a damaged file', async () => {
    const env = { XDG_CACHE_HOME: home };
    const file = join(await ensureSwiftShader(env), 'libvk_swiftshader.so');
    const { size } = statSync(file);
    writeFileSync(file, 'half');
    await ensureSwiftShader(env);
    expect(statSync(file).size).toBe(size);
    expect(readdirSync(join(home, 'promptkd'))).toHaveLength(1);
  });

  it('refuses a broken archive and leaves nothing behind', async () => {
    const archive = join(home, 'broken.tar.br');
    writeFileSync(archive, 'no brotli');
    await expect(ensureSwiftShader({ XDG_CACHE_HOME: home }, archive)).rejects.toBeInstanceOf(UserError);
    expect(readdirSync(join(home, 'promptkd'))).toEqual([]);
  });

  it('names a cache that is not a folder', async () => {
    writeFileSync(join(home, 'file'), '');
    await expect(ensureSwiftShader({ XDG_CACHE_HOME: join(home, 'file') })).rejects.toMatchObject({
      hint: expect.stringContaining('XDG_CACHE_HOME'),
    });
  });

  it('returns an environment for any process', async () => {
    mkdirSync(join(home, 'x'));
    const env = await adapterEnvironment(
      undefined,
      machine({ state: 'no driver', env: { XDG_CACHE_HOME: home } }),
    );
    const allocator = ['MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'];
    expect(Object.keys(env).sort()).toEqual(
      ['LD_LIBRARY_PATH', MARKER, 'VK_DRIVER_FILES', ...allocator].sort(),
    );
    expect(existsSync(env.VK_DRIVER_FILES ?? '')).toBe(true);
  });
});

describe('runAgain', () => {
  const relaunch = new URL('../../dist/cli/platform/relaunch.js', import.meta.url).href;
  /** A process that runs another one with `code` through `runAgain`. */
  function parent(code: string): ChildProcess {
    const outer = `import { runAgain } from '${relaunch}';
      process.exit(await runAgain(['--input-type=module', '-e', ${JSON.stringify(code)}], process.env));`;
    return spawn(process.execPath, ['--input-type=module', '-e', outer], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
  const waitForEver = "setInterval(() => {}, 1e6); console.log('ready', process.pid);";

  it('returns the exit code', async () => {
    const [code] = await once(parent('process.exit(7)'), 'exit');
    expect(code).toBe(7);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('passes %s on', async (signal, expected) => {
    const process = parent(waitForEver);
    await once(process.stdout!, 'data');
    process.kill(signal);
    const [code] = await once(process, 'exit');
    expect(code).toBe(expected);
  });

  it('ends the other process when this one is killed', async () => {
    const follow = `import { MARKER, relaunchIfNeeded } from '${relaunch}';
      process.env[MARKER] = 'test'; await relaunchIfNeeded(undefined);`;
    const outer = parent(`${follow}${waitForEver}`);
    const [text] = await once(outer.stdout!, 'data');
    const pid = Number(String(text).split(' ')[1]);
    outer.kill('SIGKILL');
    await once(outer, 'exit');
    const alive = () => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    };
    await expect.poll(alive, { timeout: 10_000 }).toBe(false);
  });
});
