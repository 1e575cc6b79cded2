/** `distill --fill-cache`: several processes fill one teacher cache, and the training has the losses of a single process, bit by bit. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { rootFolder } from '../../bench/environment.js';
import { promptkd, promptkdAsync } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { makeTeacherRun } from '../helpers/studentRun.js';

const folder = temporaryFolder('fill-cache');
const at = (...parts: string[]) => join(folder, ...parts);
const ARGS = [
  ...['distill', '--teacher', at('teacher'), '--clip', emojiStudent, '--data', at('data'), '--batch', '4'],
  ...['--epochs', '3', '--vision-depth', '1', '--workers', '0'],
];
/** Four of the twelve batches of three epochs. */
const SHARE = 16;

const fillArgs = (share: string, more: readonly string[] = []) => [
  ...ARGS,
  ...['--out', at('unused'), '--teacher-cache', at('cache'), '--fill-cache', share, ...more],
];

/** Paths of all shards of features in a cache. */
const shardsIn = (cache: string): string[] =>
  existsSync(cache)
    ? readdirSync(cache, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.safetensors'))
        .map((name) => join(cache, name))
    : [];

function train(cache: string, out: string) {
  const { status, stderr } = promptkd([...ARGS, '--teacher-cache', cache, '--out', at(out)], folder);
  expect(status, stderr).toBe(0);
  const bytes = (name: string) => readFileSync(at(out, name)).toString('latin1');
  return {
    hits: /teacher cache: ([\d.]+) % hits/.exec(stderr)?.[1],
    result: { metrics: bytes('metrics.jsonl'), student: bytes('student.safetensors') },
  };
}

beforeAll(async () => {
  await drawFewEmoji(at('data'));
  await makeTeacherRun(at('teacher'));
});

describe('a teacher cache that several processes fill', () => {
  let single: ReturnType<typeof train>['result'];

  it('keeps what a killed process had written, and says which shares are missing', async () => {
    const main = join(rootFolder(), 'dist', 'cli', 'main.js');
    const child = spawn(process.execPath, [main, ...fillArgs('3/3', ['--checkpoint-minutes', '0'])], {
      stdio: 'ignore',
      detached: true,
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    while (shardsIn(at('cache')).length === 0 && child.exitCode === null) await sleep(5);
    // The group: a command on the embedded adapter starts over in a child.
    process.kill(-child.pid!, 'SIGKILL');
    await ended;
    expect(shardsIn(at('cache')).length).toBeGreaterThan(0);

    const { status, stdout, stderr } = promptkd(fillArgs('3'), folder, { JOB_COMPLETION_INDEX: '0' });
    expect(status, stderr).toBe(0);
    expect(stderr).toContain(`share 1 of 3: ${SHARE} crops`);
    expect(stdout).toContain('not finished yet: shares 2, 3 of 3');
  });

  it('has the losses of a single process after three processes have filled it at once', async () => {
    const filled = await Promise.all(['1/3', '2/3', '3/3'].map((share) => promptkdAsync(fillArgs(share))));
    for (const [i, { status, stderr }] of filled.entries()) {
      expect(status, stderr).toBe(0);
      expect(stderr).toContain(`share ${i + 1} of 3: ${SHARE} crops`);
    }
    // The first share again, and the third after it was killed with at least a batch written.
    expect(filled[0]!.stderr).toContain(`0 of them computed and ${SHARE} found`);
    expect(Number(/(\d+) found/.exec(filled[2]!.stderr)![1])).toBeGreaterThanOrEqual(4);
    expect(filled.some(({ stdout }) => stdout.includes('the cache is full'))).toBe(true);
    expect(existsSync(at('unused'))).toBe(false);
    single = train(at('own cache'), 'single').result;
    const shared = train(at('cache'), 'shared');
    expect(shared.hits).toBe('100');
    expect(shared.result).toEqual(single);
  });

  it('has them too where a part is missing', () => {
    cpSync(at('cache'), at('part'), { recursive: true });
    rmSync(shardsIn(at('part'))[0]!);
    const mixed = train(at('part'), 'mixed');
    expect(Number(mixed.hits)).toBeLessThan(100);
    expect(Number(mixed.hits)).toBeGreaterThan(0);
    expect(mixed.result).toEqual(single);
  });

  it('says what it leaves out', () => {
    cpSync(at('data'), at('broken'), { recursive: true });
    const [some] = readdirSync(at('broken', 'train'));
    writeFileSync(at('broken', 'train', some!, 'zz.png'), 'no image');
    const { status, stderr } = promptkd(
      [...fillArgs('1/1', ['--epochs', '1']), '--data', at('broken'), '--teacher-cache', at('broken cache')],
      folder,
    );
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('zz.png (');
  });

  it('is named by the command, which refuses what makes no share', () => {
    const without = promptkd([...ARGS, '--out', at('unused'), '--fill-cache', '1/2'], folder);
    expect(without.status).toBe(2);
    expect(without.stderr).toContain('--fill-cache needs --teacher-cache');
    expect(promptkd(fillArgs('3/2'), folder).stderr).toContain('there is no share 3 of 2');
  });
});
