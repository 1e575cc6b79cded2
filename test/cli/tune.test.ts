import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredKernels } from '../../cli/device/kernelStore.js';
import { promptkdAsync } from '../helpers/cli.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'promptkd-tune-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SIZES = ['--teacher', 'emoji-teacher', '--student', 'emoji-student', '--batch', '2', '--classes', '4'];
const tune = (...args: string[]) =>
  promptkdAsync(['tune', ...args], { env: { XDG_CACHE_HOME: join(folder, 'cache') } });

describe('promptkd tune', () => {
  it('times kernels within its limit, stores, shows, exports and deletes the choices', async () => {
    const file = join(folder, 'found.json');
    const timed = await tune(...SIZES, '--seconds', '20', '--out', file);
    expect(timed.status, timed.stderr).toBe(0);
    const found = JSON.parse(readFileSync(file, 'utf8')) as StoredKernels;
    const [key, choice] = Object.entries(found.choices)[0]!;
    expect(key).toMatch(/^matmul /);
    expect(Object.keys(choice.milliseconds)).toContain(choice.name);
    expect(timed.stdout).toContain(key);
    expect(Object.keys(found.verdicts).length).toBeGreaterThan(0);

    const shown = await tune('--show');
    expect(shown.stdout).toContain(key);
    const forgotten = await tune('--forget');
    expect(forgotten.stdout).toContain('the shipped choices apply');
    expect((await tune('--show')).stdout).toContain('the shipped choices apply');
  });

  it.each([
    [['--seconds', '0'], '--help'],
    [['--teacher', 'ViT-X'], '--help'],
    [['--show', '--forget'], 'one of them'],
  ])('refuses %j', async (args, hint) => {
    const { status, stderr } = await tune(...args);
    expect(status, stderr).toBe(2);
    expect(stderr.split('hint:')[1]).toContain(hint);
  });

  it('reports a file that cannot be written', async () => {
    const file = join(folder, 'nowhere', 'found.json');
    const { status, stderr } = await tune('--show', '--out', file);
    expect(status, stderr).toBe(2);
    expect(stderr).toContain(`${file} cannot be written`);
    expect(existsSync(file)).toBe(false);
  });
});
