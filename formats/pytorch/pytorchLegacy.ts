/**
 * What PyTorch wrote before 1.6, and still writes when told to: five pickles one after the other (a magic number, the
 * format's version, facts about the machine, the object, the names of its storages), then the storages in that order, each preceded by its length. Source: pytorch, torch/serialization.py, `_legacy_save`.
 */
import { fileError } from '../fileErrors.js';
import { type FilePart, filePart } from '../filePart.js';
import type { Files } from '../files.js';
import { type Checkpoint, DTYPE_BYTES } from '../tensors.js';
import { unpickleAt } from './pickle.js';
import { MAX_PICKLE_BYTES, PickleError, type PickleHooks } from './pickleObjects.js';
import { checkpointOf, readPickled, type StorageRef, torchHooks } from './torchObjects.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;

/** Whether a file starts with the pickled magic number. */
export function isLegacyPyTorch(head: Uint8Array): boolean {
  return [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46].every((byte, i) => head[i] === byte);
}

/** @throws UserError naming the file, and the tensor where there is one */
export async function openLegacyPyTorch(files: Files, path: string): Promise<Checkpoint> {
  const fileSize = (await files.stat(path))?.size ?? 0;
  const bytes = await files.read(path, 0, Math.min(fileSize, MAX_PICKLE_BYTES));
  const storages = new Map<string, StorageRef>();
  const { root, keys, end } = readPickled(path, 'what it pickles', () => readPickles(bytes, storages));
  const parts = new Map<string, FilePart>();
  let at = end;
  for (const key of keys) {
    const storage = storages.get(key);
    const size = storage ? storage.size * DTYPE_BYTES[storage.dtype] : 0;
    const fail = (problem: string) => fileError(path, `the storage "${key}" ${problem}`);
    if (!storage || parts.has(key)) throw fail(storage ? 'comes twice' : 'belongs to no tensor');
    if (at + 8 + size > fileSize) throw fail('is cut off');
    const length = await files.read(path, at, 8);
    const count = new DataView(length.buffer, length.byteOffset, 8).getBigUint64(0, true);
    if (count !== BigInt(storage.size)) throw fail(`has ${count} numbers instead of ${storage.size}`);
    parts.set(key, filePart(files, { path, at: at + 8, length: size }));
    at += 8 + size;
  }
  const checkpoint = checkpointOf(path, root, {
    size: (key) => parts.get(key)?.length,
    read: (key, offset, length) => parts.get(key)!.range(offset, length),
    readsParts: () => true,
  });
  return { ...checkpoint, format: `${checkpoint.format} of the form before 1.6` };
}

function readPickles(bytes: Uint8Array, storages: Map<string, StorageRef>) {
  let end = 0;
  const next = (hooks: PickleHooks = torchHooks()): unknown => {
    const found = unpickleAt(bytes, end, hooks);
    end = found.end;
    return found.value;
  };
  if (next() !== MAGIC) throw new PickleError('has not the magic number of PyTorch');
  const version = next();
  if (version !== VERSION)
    throw new PickleError(`is of the version ${String(version).slice(0, 40)}, not ${VERSION}`);
  const machine = next();
  if (machine instanceof Map && machine.get('little_endian') === false)
    throw new PickleError('was written on a big-endian machine');
  const root = next(torchHooks((storage) => storages.set(storage.key, storage)));
  const keys = next();
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw new PickleError('does not end in the names of its storages');
  return { root, keys: keys as string[], end };
}
