/**
 * One process per folder: a lock file that names its owner. Node has no `flock`, and network drives often lack it too, so an
 * owner on this machine is checked by its process, and one on another machine by a heartbeat.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { UserError } from '../../engine/errors.js';

const LOCK = '.lock';
/** Owners touch their lock this often; an owner on another machine that has not for `DEAD_MS` is considered dead. */
const HEARTBEAT_MS = 20_000;
const DEAD_MS = 180_000;
/** Several processes may try to take over a dead owner's lock, so they retry. */
const ATTEMPTS = 200;
const GUARD_MS = 5_000;
const GUARD_POLL_MS = 20;

const OWNER = v.object({
  pid: v.number(),
  host: v.string(),
  started: v.string(),
  /** When the process was started, as process ids are reused; empty if the system does not tell. */
  birth: v.string(),
  /** Distinguishes locks of the same process. */
  token: v.string(),
});
type Owner = v.InferOutput<typeof OWNER>;

/** Unlocks the folder. */
export type Release = () => Promise<void>;

/**
 * Locks a folder until it is released or the process ends. A dead owner's lock is taken over.
 *
 * @throws UserError naming the living owner's process, machine and start; otherwise errors of the file system
 */
export async function lockFolder(folder: string): Promise<Release> {
  const path = join(folder, LOCK);
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    started: new Date().toISOString(),
    birth: await birthOf(process.pid),
    token: randomBytes(8).toString('hex'),
  };
  await mkdir(folder, { recursive: true });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, owner)) return held(path, owner);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    // It was released meanwhile.
    if (text === undefined) continue;
    const other = parse(text);
    if (other && (await isAlive(other, path))) throw inUse(folder, path, other);
    await takeAway(path, text);
  }
  throw new UserError(
    `the folder ${folder} is being opened by several processes`,
    'run one command after the other',
  );
}

/** Creates the file together with its content; false if there is one. */
async function create(path: string, owner: Owner): Promise<boolean> {
  const own = `${path}-${owner.token}`;
  const text = `${JSON.stringify(owner)}\n`;
  await writeFile(own, text);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Some network drives and memory sticks do not support links.
    return await writeFile(path, text, { flag: 'wx' }).then(
      () => true,
      (second: NodeJS.ErrnoException) => {
        if (second.code === 'EEXIST') return false;
        throw second;
      },
    );
  } finally {
    await rm(own, { force: true }).catch(() => undefined);
  }
}

function held(path: string, owner: Owner): Release {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  beat.unref();
  return async () => {
    clearInterval(beat);
    const text = await readFile(path, 'utf8').catch(() => '');
    if (parse(text)?.token === owner.token) await rm(path, { force: true }).catch(() => undefined);
  };
}

/**
 * Removes a dead owner's lock. A second lock guards this, so that no other process can replace the file between the check and
 * its removal.
 */
async function takeAway(path: string, text: string): Promise<void> {
  const guard = `${path}-taken-over`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const since = await stat(guard).catch(() => undefined);
    // The guard is held for a few system calls, unless its process was killed.
    if (since && Date.now() - since.mtimeMs > GUARD_MS) await rm(guard, { force: true });
    else await sleep(GUARD_POLL_MS);
    return;
  }
  try {
    if ((await readFile(path, 'utf8').catch(() => '')) === text) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

function parse(text: string): Owner | undefined {
  try {
    return v.parse(OWNER, JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) {
    const found = await stat(path).catch(() => undefined);
    return found !== undefined && Date.now() - found.mtimeMs < DEAD_MS;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const birth = await birthOf(owner.pid);
  return owner.birth === '' || birth === '' || birth === owner.birth;
}

/** Identifies the start of a process: boot id and start time from Linux's /proc. */
async function birthOf(pid: number): Promise<string> {
  try {
    const [boot, status] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The start time is field 22. Fields are counted after the name in parentheses, which may contain anything.
    const [state, ...fields] = status.slice(status.lastIndexOf(')') + 2).split(' ');
    // A zombie still has a process id.
    return state === 'Z' ? 'ended' : `${boot.trim()} ${fields[18]}`;
  } catch {
    return '';
  }
}

function inUse(folder: string, path: string, { pid, host, started }: Owner): UserError {
  const elsewhere = host === hostname() ? '' : ` on ${host}`;
  return new UserError(
    `the folder ${folder} is in use by process ${pid}${elsewhere}, which started at ${started}`,
    `wait for it, or give another folder${elsewhere && `; if that process is gone, delete ${path}`}`,
  );
}
