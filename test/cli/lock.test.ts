import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockFolder } from '../../cli/platform/lock.js';
import { UserError } from '../../engine/errors.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('lock');
const write = (out: string, owner: object, age = 0) => {
  const path = join(out, '.lock');
  const before = { pid: 1, host: hostname(), started: '2026-01-02T03:04:05.678Z', birth: '', token: 'x' };
  writeFileSync(path, JSON.stringify({ ...before, ...owner }));
  const time = new Date(Date.now() - age);
  utimesSync(path, time, time);
};
let count = 0;
const locked = async () => {
  const out = join(folder, String(++count));
  return { out, release: await lockFolder(out) };
};

it('keeps a second owner out, names the first, and can be released', async () => {
  const { out, release } = await locked();
  const error = await lockFolder(out).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(
    new RegExp(`${out} is in use by process ${process.pid}, which started at 20`),
  );
  await release();
  expect(readdirSync(out)).toEqual([]);
  await (await lockFolder(out))();
});

it('takes over from a process that has ended, even if its id is reused', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.on('close', resolve));
  const { out, release } = await locked();
  await release();
  for (const owner of [{ pid: child.pid }, { pid: process.pid, birth: 'another start of the system 17' }]) {
    write(out, owner);
    const again = await lockFolder(out);
    expect(JSON.parse(readFileSync(join(out, '.lock'), 'utf8')).pid).toBe(process.pid);
    await again();
  }
});

it('treats a damaged lock as a dead one', async () => {
  const { out, release } = await locked();
  await release();
  writeFileSync(join(out, '.lock'), '{"pid": 1');
  await (await lockFolder(out))();
});

it('checks the heartbeat of an owner on another machine', async () => {
  const { out, release } = await locked();
  await release();
  write(out, { host: 'elsewhere' }, 60_000);
  await expect(lockFolder(out)).rejects.toThrow(
    'in use by process 1 on elsewhere, which started at 2026-01-02',
  );
  write(out, { host: 'elsewhere' }, 600_000);
  await (await lockFolder(out))();
});

it('has one owner however many processes ask at once, even after a dead one', async () => {
  const { out, release } = await locked();
  await release();
  for (let round = 0; round < 20; round++) {
    if (round % 2 === 0) write(out, { pid: 2 ** 22 + 1 });
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(out)));
    const owners = tries.filter((one) => one.status === 'fulfilled');
    expect(owners).toHaveLength(1);
    await owners[0]!.value();
    expect(existsSync(join(out, '.lock'))).toBe(false);
  }
  expect(readdirSync(out)).toEqual([]);
});

it('does not wait forever for a process that was killed while taking over', async () => {
  const { out, release } = await locked();
  await release();
  write(out, { pid: 2 ** 22 + 1 });
  const guard = join(out, '.lock-taken-over');
  writeFileSync(guard, '');
  const time = new Date(Date.now() - 60_000);
  utimesSync(guard, time, time);
  await (await lockFolder(out))();
  expect(readdirSync(out)).toEqual([]);
});
