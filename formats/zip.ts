import { fileError } from './fileErrors.js';
import { type FilePart, filePart } from './filePart.js';
import type { Files } from './files.js';

/** One file of a ZIP archive, as its central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes when unpacked. */
  readonly size: number;
  readonly packedSize: number;
  /** 0 means stored, 8 deflated; nothing else is read. */
  readonly method: number;
  readonly crc32: number;
  readonly headerOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const MAX_COMMENT = 65_535;
/** A CLIP has hundreds of tensors; TorchScript adds some files of code for each module. */
const MAX_ENTRIES = 100_000;
const MAX_DIRECTORY = 32 * 2 ** 20;
/**
 * A packed file is unpacked as a whole, which takes memory that its size on disk does not show. PyTorch never packs; who
 * does it later has no tensor that is larger than this and half of the archive.
 */
const MAX_UNPACKED = 8 * 2 ** 20;

/**
 * A ZIP archive (APPNOTE.TXT, with ZIP64) read piece by piece: checkpoints of gigabytes stay on disk. Why no library:
 * docs/decisions.md, "Written here, though libraries exist".
 */
export class ZipArchive {
  private constructor(
    private readonly files: Files,
    readonly path: string,
    private readonly fileSize: number,
    readonly entries: ReadonlyMap<string, ZipEntry>,
  ) {}

  /** @throws UserError naming the file when its central directory is missing or damaged */
  static async open(files: Files, path: string): Promise<ZipArchive> {
    const fileSize = (await files.stat(path))?.size ?? 0;
    const { count, offset, size } = await findDirectory(files, path, fileSize);
    if (offset + size > fileSize) throw fileError(path, 'its table of contents lies outside the file');
    if (count > MAX_ENTRIES) throw fileError(path, `it claims to hold ${count} files`);
    if (size > MAX_DIRECTORY) throw fileError(path, `its table of contents claims to have ${size} bytes`);
    const entries = parseDirectory(path, await files.read(path, offset, size), count);
    let packed = 0;
    for (const entry of entries.values()) {
      packed += entry.packedSize;
      if (entry.method !== 0 && entry.size > fileSize / 2 + MAX_UNPACKED)
        throw fileError(path, `"${entry.name}" claims to unpack to ${entry.size} bytes`);
    }
    if (packed > fileSize) throw fileError(path, 'its files are larger than itself: they overlap');
    return new ZipArchive(files, path, fileSize, entries);
  }

  /** The packed data of the entries that were asked for. */
  private readonly parts = new Map<ZipEntry, Promise<FilePart>>();

  /** All bytes of an entry, compared with their checksum. */
  async read(entry: ZipEntry): Promise<Uint8Array> {
    const packed = await (await this.partOf(entry)).bytes();
    return entry.method === 0 ? packed : this.inflate(entry, packed);
  }

  /**
   * Bytes `[offset, offset + length)` of an entry. A stored entry is read whole once, in pieces, to compare its checksum;
   * after that only the range is read.
   */
  async readRange(entry: ZipEntry, offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || length < 0 || offset + length > entry.size)
      throw fileError(this.path, `"${entry.name}" is shorter than its use`);
    if (entry.method !== 0) return (await this.read(entry)).subarray(offset, offset + length);
    return (await this.partOf(entry)).range(offset, length);
  }

  private partOf(entry: ZipEntry): Promise<FilePart> {
    const { files, path } = this;
    const { name, method, crc32, packedSize: length } = entry;
    // PyTorch can be told to write no checksums; the field is zero then. That of a packed entry is of what it unpacks to.
    const summed = method === 0 && crc32 !== 0;
    const wrong = () => fileError(path, `the checksum of "${name}" is wrong`);
    const part =
      this.parts.get(entry) ??
      this.findPacked(entry).then((at) =>
        filePart(files, { path, at, length, ...(summed && { crc32, wrong }) }),
      );
    this.parts.set(entry, part);
    return part;
  }

  /** Where the data of an entry begins. */
  private async findPacked(entry: ZipEntry): Promise<number> {
    const { headerOffset, name } = entry;
    if (headerOffset + 30 > this.fileSize) throw fileError(this.path, `"${name}" lies outside the file`);
    const header = dataView(await this.files.read(this.path, headerOffset, 30));
    if (header.getUint32(0, true) !== LOCAL_SIGNATURE)
      throw fileError(this.path, `"${name}" is not where the table of contents says`);
    const start = headerOffset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    if (start + entry.packedSize > this.fileSize) throw fileError(this.path, `"${name}" is cut off`);
    return start;
  }

  /** The web's decompressor knows gzip on every platform, so the deflated bytes get gzip's head and tail; it compares the checksum. */
  private async inflate(entry: ZipEntry, packed: Uint8Array): Promise<Uint8Array> {
    const gzip = new Uint8Array(packed.length + 18);
    gzip.set([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    gzip.set(packed, 10);
    dataView(gzip).setUint32(10 + packed.length, entry.crc32, true);
    dataView(gzip).setUint32(14 + packed.length, entry.size % 2 ** 32, true);
    const out = new Uint8Array(entry.size);
    let size = 0;
    try {
      for await (const chunk of new Blob([gzip]).stream().pipeThrough(new DecompressionStream('gzip'))) {
        // Ends a decompression bomb early: no more is unpacked than was announced.
        if (size + chunk.length > out.length) throw new Error('too long');
        out.set(chunk, size);
        size += chunk.length;
      }
    } catch {
      throw fileError(this.path, `"${entry.name}" cannot be decompressed`);
    }
    if (size !== entry.size) throw fileError(this.path, `"${entry.name}" does not have the announced size`);
    return out;
  }
}

interface Directory {
  readonly count: number;
  readonly offset: number;
  readonly size: number;
}

/** The end record is the last thing in the file but for a comment. */
async function findDirectory(files: Files, path: string, fileSize: number): Promise<Directory> {
  const tailSize = Math.min(fileSize, MAX_COMMENT + 22);
  const tail = dataView(await files.read(path, fileSize - tailSize, tailSize));
  for (let at = tailSize - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_SIGNATURE || tail.getUint16(at + 20, true) !== tailSize - at - 22)
      continue;
    const directory = {
      count: tail.getUint16(at + 10, true),
      size: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const hasLocator = at >= 20 && tail.getUint32(at - 20, true) === LOCATOR64_SIGNATURE;
    return hasLocator ? readDirectory64(files, path, fileSize, safe(tail, at - 12)) : directory;
  }
  throw fileError(path, 'its end, the table of contents, is missing');
}

async function readDirectory64(files: Files, path: string, fileSize: number, at: number): Promise<Directory> {
  if (at + 56 > fileSize) throw fileError(path, 'its table of contents lies outside the file');
  const end = dataView(await files.read(path, at, 56));
  if (end.getUint32(0, true) !== END64_SIGNATURE) throw fileError(path, 'its ZIP64 end record is damaged');
  return { count: safe(end, 32), size: safe(end, 40), offset: safe(end, 48) };
}

function parseDirectory(path: string, bytes: Uint8Array, count: number): Map<string, ZipEntry> {
  const view = dataView(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL_SIGNATURE)
      throw fileError(path, 'its table of contents is damaged');
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > bytes.length) throw fileError(path, 'its table of contents is cut off');
    const name = new TextDecoder().decode(bytes.subarray(at + 46, nameEnd));
    const entry = {
      name,
      method: view.getUint16(at + 10, true),
      crc32: view.getUint32(at + 16, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      headerOffset: view.getUint32(at + 42, true),
    };
    if (view.getUint16(at + 8, true) & 1) throw fileError(path, `"${name}" is encrypted`);
    if (entries.has(name)) throw fileError(path, `it holds "${name}" twice`);
    entries.set(name, checkEntry(path, withZip64(entry, dataView(bytes.subarray(nameEnd, extraEnd)))));
    at = end;
  }
  return entries;
}

/** Sizes that do not fit 32 bits are in an extra field, in this order, only those that are needed. */
function withZip64(entry: ZipEntry, extra: DataView): ZipEntry {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    const wide = (value: number): number => {
      if (value !== 0xffffffff || from + 8 > extra.byteLength) return value;
      from += 8;
      return safe(extra, from - 8);
    };
    const size = wide(entry.size);
    const packedSize = wide(entry.packedSize);
    return { ...entry, size, packedSize, headerOffset: wide(entry.headerOffset) };
  }
  return entry;
}

function checkEntry(path: string, entry: ZipEntry): ZipEntry {
  if (entry.method !== 0 && entry.method !== 8)
    throw fileError(path, `"${entry.name}" is packed by method ${entry.method}, not stored or deflated`);
  if (entry.method === 0 && entry.size !== entry.packedSize)
    throw fileError(path, `"${entry.name}" is stored but has two sizes`);
  return entry;
}

/** A 64-bit field; nothing beyond 2^53 can be right, and infinity fails every later comparison. */
function safe(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
