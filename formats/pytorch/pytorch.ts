import { fileError } from '../fileErrors.js';
import type { Files } from '../files.js';
import type { Checkpoint } from '../tensors.js';
import { ZipArchive } from '../zip.js';
import { unpickle } from './pickle.js';
import { MAX_PICKLE_BYTES } from './pickleObjects.js';
import { checkpointOf, readPickled, torchHooks } from './torchObjects.js';

/**
 * Opens what PyTorch has written since 1.6, a ZIP of one pickle and raw storages (docs/method.md 4.5): TorchScript archives,
 * state dicts, and trainer checkpoints with a `state_dict` among optimiser and scheduler objects. Only the pickle is
 * read, and nothing in it is executed.
 *
 * @throws UserError naming the file, and the tensor where there is one
 */
export async function openPyTorch(files: Files, path: string): Promise<Checkpoint> {
  const zip = await ZipArchive.open(files, path);
  const folder = findFolder(zip);
  const order = zip.entries.get(`${folder}byteorder`);
  if (order && order.size < 16 && new TextDecoder().decode(await zip.read(order)) === 'big')
    throw fileError(path, 'it was written on a big-endian machine', 'save it again as safetensors');
  const entry = zip.entries.get(`${folder}data.pkl`)!;
  if (entry.size > MAX_PICKLE_BYTES) throw fileError(path, `its data.pkl has ${entry.size} bytes, too many`);
  const pickle = await zip.read(entry);
  const root = readPickled(path, 'its data.pkl', () => unpickle(pickle, torchHooks()));
  const entryOf = (key: string) => zip.entries.get(`${folder}data/${key}`);
  return checkpointOf(path, root, {
    size: (key) => entryOf(key)?.size,
    read: (key, offset, length) => zip.readRange(entryOf(key)!, offset, length),
    readsParts: (key) => entryOf(key)!.method === 0,
  });
}

/** The archive's one top folder, with its slash. */
function findFolder(zip: ZipArchive): string {
  const folders = [...zip.entries.keys()].flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.[1] ?? []);
  if (folders.length === 1) return folders[0]!;
  throw fileError(zip.path, 'it is a ZIP archive but no PyTorch checkpoint: no data.pkl');
}
