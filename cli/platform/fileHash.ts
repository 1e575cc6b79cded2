/**
 * SHA-256 of large files such as checkpoints: computed in a separate thread, and kept in the user's cache until the file
 * changes.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import { cacheFolder } from './cacheFolder.js';
import { hashInPieces } from './hashInPieces.js';

/** Options of `keptHash`. */
export interface HashOptions {
  /** Folder of the cache. */
  readonly folder?: string;
  /** Least size in bytes for a thread and the cache; starting a thread takes as long as hashing some 30 MB. */
  readonly large?: number;
  /** Compiled file of the thread, for tests. */
  readonly script?: string;
  /** A clock in milliseconds since 1970, for tests. */
  readonly now?: () => number;
}

const MIB = 2 ** 20;

/** Resolution of file times. A file that has just changed may change again without a new time, so its hash is not kept. */
const SETTLED_MS = 3000;

/** What identifies the content of a file. The modification time can be set back, but not the change time. */
interface Identity {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
  readonly size: string;
  readonly modified: string;
  readonly changed: string;
}

interface Kept extends Identity {
  readonly sha256: string;
}

/** The hash of a file, from the cache where it is there. Rejects with what the file system says. */
export async function keptHash(path: string, options: HashOptions = {}): Promise<string> {
  const { folder = join(cacheFolder(), 'hashes'), large = 32 * MIB, now = Date.now } = options;
  const before = await identify(path);
  if (Number(before.size) < large) return hashInPieces(path);
  const place = join(folder, `${createHash('sha256').update(before.path).digest('hex').slice(0, 32)}.json`);
  const kept = await read(place);
  if (kept && same(kept, before)) return kept.sha256;
  const started = now();
  const sha256 = await hashInThread(path, options.script);
  const settled =
    started - Math.max(milliseconds(before.modified), milliseconds(before.changed)) > SETTLED_MS;
  if (settled && same(before, await identify(path))) await keep(folder, place, { ...before, sha256 });
  return sha256;
}

async function identify(path: string): Promise<Identity> {
  const found = await stat(path, { bigint: true });
  return {
    path: await realpath(path),
    device: String(found.dev),
    inode: String(found.ino),
    size: String(found.size),
    modified: String(found.mtimeNs),
    changed: String(found.ctimeNs),
  };
}

const FIELDS = ['path', 'device', 'inode', 'size', 'modified', 'changed'] as const;
const same = (a: Identity, b: Identity): boolean => FIELDS.every((field) => a[field] === b[field]);
const milliseconds = (nanoseconds: string): number => Number(nanoseconds) / 1e6;

async function read(place: string): Promise<Kept | undefined> {
  try {
    const kept = openSealedJson(place, await readFile(place, 'utf8')) as unknown as Kept;
    return /^[0-9a-f]{64}$/.test(kept.sha256) ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** If the cache cannot be written, the next run only has to hash again. */
async function keep(folder: string, place: string, kept: Kept): Promise<void> {
  const temporary = `${place}.${process.pid}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(temporary, sealJson(kept, 1));
    await rename(temporary, place);
  } catch {}
}

/** Uncompiled sources have no file to start a thread from, so they hash in this thread. */
function hashInThread(
  path: string,
  script = fileURLToPath(new URL('./hashWorker.js', import.meta.url)),
): Promise<string> {
  if (!existsSync(script)) return hashInPieces(path);
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, { workerData: path });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the hashing thread ended early')));
  });
}
