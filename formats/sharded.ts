/** Checkpoints in several files, beside an index that says which tensor lies where. */
import { fileError, readable } from './fileErrors.js';
import type { Files } from './files.js';
import { isRecord, readLimitedJson } from './json.js';
import type { Checkpoint, StoredTensor } from './tensors.js';

/** An index of 20,000 tensors has 2 MB. */
const MAX_INDEX = 16 * 2 ** 20;

/**
 * Opens the shards that a `model.safetensors.index.json` or `pytorch_model.bin.index.json` names, as one checkpoint.
 *
 * @param open reads one shard
 * @throws UserError for a missing shard or tensor
 */
export async function openShards(
  files: Files,
  path: string,
  open: (path: string) => Promise<Checkpoint>,
): Promise<Checkpoint> {
  const shards = new Map<string, Checkpoint>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, file] of Object.entries(await weightMap(files, path))) {
    // A shard lies beside its index: a path that leads elsewhere is refused.
    if (typeof file !== 'string' || !/^[^/\\\p{Cc}]+$/u.test(file) || file === '..' || file === '.')
      throw fileError(path, `tensor "${name}" lies in ${JSON.stringify(file)}, which is not a file name`);
    const shardPath = beside(files, path, file);
    // A shard that is an index could name itself.
    if (/\.json$/i.test(file))
      throw fileError(path, `tensor "${name}" lies in ${file}, which is not a shard`);
    if (!shards.has(file)) {
      if ((await files.stat(shardPath))?.kind !== 'file')
        throw fileError(path, `its shard ${file} is missing`, `put ${readable(file)} beside the index`);
      shards.set(file, await open(shardPath));
    }
    const tensor = shards.get(file)!.tensors.get(name);
    if (!tensor) throw fileError(path, `tensor "${name}" is not in its shard ${file}`);
    tensors.set(name, tensor);
  }
  const opened = [...shards.values()];
  const metadata = Object.assign({}, ...opened.map((shard) => shard.metadata));
  const parts = opened.map((shard) => shard.path);
  return { path, format: `${opened[0]!.format} in ${shards.size} shards`, tensors, metadata, parts };
}

/** The path of the file called `name` in the folder of another file. */
export function beside(files: Files, file: string, name: string): string {
  const folder = file.slice(0, file.length - files.baseName(file).length);
  return files.join(folder || '.', name);
}

async function weightMap(files: Files, path: string): Promise<Record<string, unknown>> {
  const index = await readLimitedJson(files, path, MAX_INDEX, 'an index of shards');
  const map = isRecord(index) ? index.weight_map : undefined;
  if (!isRecord(map) || Object.keys(map).length === 0) throw fileError(path, 'it has no "weight_map"');
  return map;
}
