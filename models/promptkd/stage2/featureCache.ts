/**
 * Image features on disk, by what they were made of: shards of safetensors in a folder that any number of processes may read
 * and add to at the same time.
 *
 *     FOLDER/<owner>/owner.json       what made the features, for people
 *     FOLDER/<owner>/<shard>.safetensors   `features` float16 [rows, width]; `keys` as text, a line a row
 *
 * <owner> and <shard> are hashes: of what made the features, and of the file's own bytes. A shard appears whole (it is renamed
 * into place) and is never changed, so a process that is killed loses what it had not written yet and nothing else.
 * In memory are the keys, and rows that are not written yet: a row is read when it is asked for.
 */
import { fromHalf, toHalf, UserError } from '../../../engine/index.js';
import { crc32Of } from '../../../formats/crc32.js';
import { encodeSafetensors, openSafetensors } from '../../../formats/safetensors.js';
import type { Platform } from '../../platform.js';

const KIND = 'promptkd image features';
const ENDING = '.safetensors';
/** Rows that are written before an epoch ends, so that a long one is not lost. */
const SHARD_ROWS = 4096;

/** Ours have some 8 MB. */
const MAX_SHARD = 256 * 2 ** 20;

/** A file, where its features begin, and the CRC-32 of each row: a disk may spoil a row after the file was found whole. */
interface Shard {
  readonly path: string;
  readonly start: number;
  readonly sums: Uint32Array;
}

interface Place {
  readonly shard: Shard;
  readonly row: number;
}

/** The features of one owner: rows of `width` numbers by key, float16 on disk. */
export class FeatureCache {
  private readonly places = new Map<string, Place>();
  private readonly fresh = new Map<string, Uint16Array>();
  /** Keys of `fresh` that no write has begun with. */
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
   * Reads what keys are there.
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
    return this.places.size + this.fresh.size;
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.stored;
  }

  /** Whether there is a row for `key`, kept or new. */
  has(key: string): boolean {
    return this.places.has(key) || this.fresh.has(key);
  }

  /**
   * The rows of keys that are there, `[keys, width]`. Rows that lie behind one another are read at once.
   *
   * @throws UserError when a shard was removed, cut or damaged since it was opened
   */
  async rows(keys: readonly string[]): Promise<Float32Array> {
    const { width } = this;
    const found = new Uint16Array(keys.length * width);
    for (let i = 0; i < keys.length; ) {
      const fresh = this.fresh.get(keys[i]!);
      if (fresh) {
        found.set(fresh, i++ * width);
        continue;
      }
      const { shard, row } = this.places.get(keys[i]!)!;
      let count = 1;
      for (; i + count < keys.length; count++) {
        const next = this.places.get(keys[i + count]!);
        if (next?.shard !== shard || next.row !== row + count) break;
      }
      const [at, length] = [shard.start + 2 * row * width, 2 * count * width];
      const bytes = await this.platform.read(shard.path, at, length);
      if (bytes.length !== length)
        throw new UserError(
          `${shard.path} has become shorter`,
          'Run again: what is missing is computed anew.',
        );
      this.compare(shard, row, bytes);
      new Uint8Array(found.buffer).set(bytes, 2 * i * width);
      i += count;
    }
    return fromHalf(found);
  }

  /** Of rows that lie behind one another from `first` on. */
  private compare({ path, sums }: Shard, first: number, bytes: Uint8Array): void {
    for (const [i, sum] of this.sumsOf(bytes).entries())
      if (sum !== sums[first + i])
        throw new UserError(
          `${path}: row ${first + i} has changed since it was opened`,
          'Run again: what is damaged is computed anew.',
        );
  }

  private sumsOf(features: Uint8Array): Uint32Array {
    const [sum, rowBytes] = [crc32Of(this.platform), 2 * this.width];
    return Uint32Array.from({ length: features.length / rowBytes }, (_, row) =>
      sum(features.subarray(row * rowBytes, (row + 1) * rowBytes)),
    );
  }

  /** Keeps a row, rounded to float16: what `rows` gives from now on, and after it was read from disk. */
  add(key: string, row: Float32Array): void {
    if (this.has(key)) return;
    this.fresh.set(key, toHalf(row));
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
      features.set(this.fresh.get(key)!, i * this.width);
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
    const path = platform.join(folder, `${(await platform.sha256Bytes(file)).slice(0, 32)}${ENDING}`);
    await platform.write(platform.join(folder, 'owner.json'), this.owner);
    await platform.write(path, file);
    this.take(path, file, keys, lines.length);
    for (const key of keys) this.fresh.delete(key);
  }

  /** Knows from now on where the rows of a shard are, which hold the end of it but for the keys. */
  private take(path: string, file: Uint8Array, keys: readonly string[], keyBytes: number): void {
    const end = file.length - keyBytes;
    const start = end - 2 * keys.length * this.width;
    const shard = { path, start, sums: this.sumsOf(file.subarray(start, end)) };
    keys.forEach((key, row) => {
      // The first shard by name decides where two processes computed the same, so that every reader finds the same.
      if (!this.places.has(key)) this.places.set(key, { shard, row });
    });
    this.stored += file.length;
  }

  /** Takes a shard; false when it is not whole. */
  private async read(name: string): Promise<boolean> {
    const { platform } = this;
    const path = platform.join(this.folder, name);
    try {
      if (((await platform.stat(path))?.size ?? 0) > MAX_SHARD) return false;
      const file = await platform.read(path);
      if (!name.startsWith((await platform.sha256Bytes(file)).slice(0, 32))) return false;
      // What has been hashed is what is used.
      const held = {
        ...platform,
        read: async (_: string, at = 0, length = file.length - at) => file.slice(at, at + length),
      };
      const { tensors } = await openSafetensors(held, path);
      const lines = Uint8Array.from(await tensors.get('keys')!.readInts());
      const keys = new TextDecoder().decode(lines).split('\n');
      const [rows, width] = tensors.get('features')!.shape;
      if (rows !== keys.length || width !== this.width) return false;
      this.take(path, file, keys, lines.length);
      return true;
    } catch {
      return false;
    }
  }
}
