/**
 * Image features on disk, by what they were made of: shards of safetensors in a folder that any number of processes may read
 * and add to at the same time.
 *
 *     FOLDER/<owner>/owner.json       what made the features, for people
 *     FOLDER/<owner>/<shard>.safetensors   `features` float16 [rows, width]; `keys` as text, a line a row
 *
 * <owner> and <shard> are hashes: of what made the features, and of the file's own bytes. A shard appears whole (it is renamed
 * into place) and is never changed, so a process that is killed loses what it had not written yet and nothing else.
 */
import { fromHalf, toHalf } from '../../engine/half.js';
import { encodeSafetensors, openSafetensors } from '../checkpoints/safetensors.js';
import type { Platform } from '../platform.js';

const KIND = 'promptkd image features';
const ENDING = '.safetensors';
/** Rows that are written before an epoch ends, so that a long one is not lost. */
const SHARD_ROWS = 4096;

export class FeatureCache {
  private readonly rows = new Map<string, Uint16Array>();
  private added: string[] = [];
  /** Bytes of all shards that are there. */
  private stored = 0;

  private constructor(
    private readonly platform: Platform,
    /** Of this owner. */
    readonly folder: string,
    private readonly width: number,
    private readonly owner: string,
  ) {}

  /**
   * Reads what is there.
   *
   * @param owner everything that features depend on beside their keys
   * @param width numbers of a row
   * @param note told about shards that cannot be used
   */
  static async open(
    platform: Platform,
    root: string,
    owner: Readonly<Record<string, string | number>>,
    width: number,
    note: (line: string) => void,
  ): Promise<FeatureCache> {
    const text = `${JSON.stringify({ ...owner, width }, null, 2)}\n`;
    const hash = await platform.sha256Bytes(new TextEncoder().encode(text));
    const cache = new FeatureCache(platform, platform.join(root, hash.slice(0, 16)), width, text);
    const there = (await platform.stat(cache.folder)) !== undefined;
    const entries = there ? await platform.list(cache.folder) : [];
    for (const { name } of entries.filter((entry) => entry.name.endsWith(ENDING)))
      if (!(await cache.read(name)))
        note(`teacher cache: ${platform.join(cache.folder, name)} is damaged and is left aside`);
    return cache;
  }

  /** Rows that are there, kept or new. */
  get size(): number {
    return this.rows.size;
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.stored;
  }

  has(key: string): boolean {
    return this.rows.has(key);
  }

  /** The row of a key that is there, `[width]`. */
  get(key: string): Float32Array {
    return fromHalf(this.rows.get(key)!);
  }

  /** Keeps a row, rounded to float16: what `get` gives from now on, and after it was read from disk. */
  add(key: string, row: Float32Array): void {
    if (this.rows.has(key)) return;
    this.rows.set(key, toHalf(row));
    this.added.push(key);
  }

  /** Writes a shard if there is much to write. */
  async flushLarge(): Promise<void> {
    if (this.added.length >= SHARD_ROWS) await this.flush();
  }

  /** Writes what was added since the last time as one shard. */
  async flush(): Promise<void> {
    const keys = this.added;
    if (keys.length === 0) return;
    this.added = [];
    const features = new Uint16Array(keys.length * this.width);
    keys.forEach((key, i) => {
      features.set(this.rows.get(key)!, i * this.width);
    });
    const lines = new TextEncoder().encode(keys.join('\n'));
    const file = encodeSafetensors(
      [
        { name: 'features', dtype: 'F16', shape: [keys.length, this.width], data: features },
        { name: 'keys', dtype: 'U8', shape: [lines.length], data: lines },
      ],
      { kind: KIND },
    );
    const { platform, folder } = this;
    const name = `${(await platform.sha256Bytes(file)).slice(0, 32)}${ENDING}`;
    await platform.write(platform.join(folder, 'owner.json'), this.owner);
    await platform.write(platform.join(folder, name), file);
    this.stored += file.length;
  }

  /** Takes the rows of a shard; false when it is not whole. */
  private async read(name: string): Promise<boolean> {
    const { platform, width } = this;
    const path = platform.join(this.folder, name);
    try {
      if (!name.startsWith((await platform.sha256(path)).slice(0, 32))) return false;
      const { tensors } = await openSafetensors(platform, path);
      const features = await tensors.get('features')!.readHalf();
      const keys = await readText(tensors.get('keys')!);
      keys.split('\n').forEach((key, i) => {
        // The first shard by name decides where two processes computed the same, so that every reader finds the same.
        if (!this.rows.has(key)) this.rows.set(key, features.subarray(i * width, (i + 1) * width));
      });
      this.stored += (await platform.stat(path))!.size;
      return true;
    } catch {
      return false;
    }
  }
}

const readText = async (tensor: { readInts(): Promise<Int32Array> }): Promise<string> =>
  new TextDecoder().decode(Uint8Array.from(await tensor.readInts()));
