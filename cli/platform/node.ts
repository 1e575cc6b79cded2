import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { appendFile, mkdir, open, readdir, readFile, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { UserError } from '../../engine/errors.js';
import { roundHalves } from '../../engine/half.js';
import { crc32Of } from '../../formats/crc32.js';
import type { FileEntry } from '../../formats/files.js';
import type { Platform } from '../../models/platform.js';
import { cacheFolder } from './cacheFolder.js';
import { keptHash } from './fileHash.js';
import { hashInPieces } from './hashInPieces.js';
import { lockFolder } from './lock.js';
import { imageDecoder } from './nodeImage.js';
import { isCode, kindOf, openFile, reason, requireFile, unreadable } from './readable.js';
import { readHalvesInThread } from './tensorThreads.js';
import { thumbnail } from './thumbnail.js';
import { useImage } from './useImage.js';
import { appendWhole, removeLeftovers, unwritable, writeWhole } from './wholeFile.js';

/** Files, hashes and images on Node; see `Platform` for what each member promises. */
export const nodePlatform: Platform = {
  async stat(path) {
    const found = await stat(path).catch((error) => {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw unreadable(path, error);
    });
    return found && { kind: kindOf(found), size: found.size };
  },
  async realPath(path) {
    try {
      return await realpath(path);
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  async read(path, offset, length) {
    try {
      if (offset !== undefined || length !== undefined) return await readRange(path, offset ?? 0, length);
      await requireFile(path);
      return await readFile(path);
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  async readSummed(path, offset, length) {
    const sum = crc32Of(nodePlatform);
    let crc32 = 0;
    try {
      const bytes = await readRange(path, offset, length, (piece) => {
        crc32 = sum(piece, crc32);
      });
      return { bytes, crc32 };
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  async readHalves(path, offset, count, sum = false) {
    try {
      await requireFile(path);
    } catch (error) {
      throw unreadable(path, error);
    }
    try {
      return await readHalvesInThread({ path, offset, length: 4 * count, sum });
    } catch {
      const bytes = await nodePlatform.read(path, offset, 4 * count);
      const rounded = roundHalves(new Float32Array(bytes.buffer, bytes.byteOffset, count));
      return sum ? { ...rounded, crc32: crc32Of(nodePlatform)(bytes) } : rounded;
    }
  },
  async readStart(path, length) {
    try {
      await requireFile(path);
      const file = await open(path, 'r');
      try {
        const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, 0);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  async readText(path) {
    try {
      if (!SHELL_PIPE.test(path)) await requireFile(path);
      return decodeText(await readFile(path));
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  async list(folder) {
    try {
      const found = (await readdir(folder, { withFileTypes: true }))
        .filter(({ name }) => !name.startsWith('.'))
        .sort((a, b) => asciiOrder(a.name, b.name));
      const entries: FileEntry[] = [];
      // Links need a `stat`: one at a time is slow on network drives, all at once runs out of file handles.
      for (let start = 0; start < found.length; start += 64)
        entries.push(...(await Promise.all(found.slice(start, start + 64).map((one) => entry(folder, one)))));
      return entries;
    } catch (error) {
      throw unreadable(folder, error);
    }
  },
  write: writeWhole,
  append: (path, line) => appendWhole(path, `${line}\n`),
  async appendBytes(path, bytes) {
    try {
      await appendFile(path, bytes);
    } catch (error) {
      throw unwritable(path, error);
    }
  },
  removeLeftovers,
  async makeFolder(path) {
    try {
      await mkdir(path, { recursive: true });
    } catch (error) {
      throw unwritable(path, error);
    }
  },
  async remove(path) {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw unwritable(path, error);
    }
  },
  async removeEmpty(folder) {
    await rmdir(folder).catch(() => undefined);
  },
  async lock(folder) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      throw error instanceof UserError ? error : unwritable(folder, error);
    }
  },
  join: (...parts) => join(...parts),
  baseName: (path) => basename(path),
  imageDecoder,
  cacheFolder: cacheFolder(),
  async gunzip(data, most) {
    try {
      return await promisify(zlib.gunzip)(data, { maxOutputLength: most });
    } catch (error) {
      const tooMuch = isCode(error, 'ERR_BUFFER_TOO_LARGE');
      throw new UserError(
        tooMuch ? `it unpacks to more than ${most} bytes` : `the gzip data is damaged: ${reason(error)}`,
        'copy or download the file again',
      );
    }
  },
  async sha256(path, { keep = false } = {}) {
    try {
      await requireFile(path);
      return await (keep ? keptHash(path) : hashInPieces(path));
    } catch (error) {
      throw unreadable(path, error);
    }
  },
  // Since Node 20.15.
  ...(zlib.crc32 && { crc32: (bytes: Uint8Array, previous?: number) => zlib.crc32(bytes, previous) }),
  async sha256Bytes(data) {
    return createHash('sha256').update(data).digest('hex');
  },
  decodeImage: (path, hash = false) => useImage(path, hash, (image) => image),
  useImage,
  thumbnail,
};

/** Paths of `<(command)` and of piped input. */
const SHELL_PIPE = /^\/(dev\/(stdin|fd\/\d+)|proc\/(self|\d+)\/fd\/\d+)$/;

/** Spreadsheets and PowerShell write a byte order mark, and PowerShell UTF-16. */
function decodeText(bytes: Uint8Array): string {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

/** Bytes of a piece that is looked at while the next one is read: still in the processor's cache. */
const PIECE = 2 ** 21;

/** @param look called with the bytes in order, piece by piece */
async function readRange(
  path: string,
  offset: number,
  length?: number,
  look?: (piece: Uint8Array) => void,
): Promise<Uint8Array> {
  const { file, size } = await openFile(path);
  try {
    const wanted = length ?? Math.max(0, size - offset);
    if (offset < 0 || wanted < 0 || offset + wanted > size)
      throw new Error(`it has ${size} bytes, too few for bytes ${offset} to ${offset + wanted}`);
    const data = new Uint8Array(wanted);
    const most = look ? PIECE : wanted;
    let seen = 0;
    for (let done = 0; done < wanted; ) {
      const reading = file.read(data, done, Math.min(most, wanted - done), offset + done);
      look?.(data.subarray(seen, done));
      seen = done;
      const { bytesRead } = await reading;
      if (bytesRead === 0) throw new Error('it ended while it was read');
      done += bytesRead;
    }
    look?.(data.subarray(seen));
    return data;
  } finally {
    await file.close();
  }
}

/** The folder's own entry is enough, except for links and on file systems that do not tell the kind. */
async function entry(folder: string, one: Dirent): Promise<FileEntry> {
  const { name } = one;
  const link = one.isSymbolicLink();
  if (!link && kindOf(one) !== 'other') return { name, kind: kindOf(one) };
  const found = await stat(join(folder, name)).catch(() => undefined);
  return { name, kind: found ? kindOf(found) : 'other', ...(link && { link }) };
}

function asciiOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
