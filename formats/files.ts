/** What the readers and writers of files need of a machine: its files and checksums. */
import { UserError } from '../engine/errors.js';
import type { RoundedHalves } from '../engine/index.js';

/** What a path leads to, links followed; `other`: a pipe, a socket, a device, in a list also a link that leads nowhere. */
export type FileKind = 'file' | 'folder' | 'other';

/** An entry of a folder. */
export interface FileEntry {
  readonly name: string;
  readonly kind: FileKind;
  /** Whether it is a symbolic link; `kind` says what it leads to. */
  readonly link?: boolean;
}

/** Bytes that follow those written before, or overwrite some of them from byte `at` on. */
export type WrittenPiece = Uint8Array | { readonly at: number; readonly bytes: Uint8Array };

/** A file that is not there, or that cannot be read as it is: trying again would not help. */
export class UnreadableFile extends UserError {
  /** @param reason what is wrong with it, such as "does not exist" */
  constructor(
    path: string,
    readonly reason: string,
    hint: string,
  ) {
    super(`${path} ${reason}`, hint);
  }
}

/** Files and hashes of a machine. Optional methods are absent where it has no fast or safe way. */
export interface Files {
  /** What is at `path`, or undefined when there is nothing. Links are followed. `size` in bytes. */
  stat(path: string): Promise<{ kind: FileKind; size: number } | undefined>;
  /** The path without links, as the system names what is there. Throws `UserError` when nothing is. */
  realPath(path: string): Promise<string>;
  /**
   * Bytes `[offset, offset + length)` of a file, or all of it. Throws `UserError` when it cannot be read, and before
   * opening it when it is no file: a pipe would block forever, and a device has no end.
   */
  read(path: string, offset?: number, length?: number): Promise<Uint8Array>;
  /** The same bytes and their CRC-32, which is taken while they are read. Throws as `read` does. */
  readSummed?(
    path: string,
    offset: number,
    length: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly crc32: number }>;
  /**
   * Float32 values of a file, little-endian from byte `offset` on, rounded to float16 off the main thread.
   *
   * @param sum whether to return the CRC-32 of the bytes as well
   */
  readHalves?(
    path: string,
    offset: number,
    count: number,
    sum?: boolean,
  ): Promise<RoundedHalves & { readonly crc32?: number }>;
  /** The first `length` bytes of a file, or all of a shorter one. Throws as `read` does. */
  readStart(path: string, length: number): Promise<Uint8Array>;
  /** UTF-8, or UTF-16 where a byte order mark says so; the mark is left out. Accepts pipes too, as a shell passes them. */
  readText(path: string): Promise<string>;
  /** Entries of a folder sorted by name in ASCII order; hidden ones (leading dot) are left out. */
  list(folder: string): Promise<FileEntry[]>;
  /**
   * Writes beside `path`, flushes to the disk, then renames: never half a file, whatever ends the process or the machine. Creates
   * parent folders. Large files come in pieces. Throws `UserError` when it cannot be written; what was there is then untouched.
   */
  write(path: string, data: Uint8Array | string | AsyncIterable<WrittenPiece>): Promise<void>;
  /** Adds a line to a small file (metrics), in the same way. */
  append(path: string, line: string): Promise<void>;
  /** Removes temporary files that killed processes left in `folder` (not below it). Returns their names. */
  removeLeftovers?(folder: string): Promise<string[]>;
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Removes a folder that is empty, and nothing else. */
  removeEmpty?(folder: string): Promise<void>;
  /**
   * Locks a folder for this process, creating it if needed, and returns the function that unlocks it. Takes over the lock of a dead
   * process. Throws `UserError` naming a live owner.
   */
  lock?(folder: string): Promise<() => Promise<void>>;
  /** Joins path parts with the platform's separator. */
  join(...parts: string[]): string;
  /** Last part of a path. */
  baseName(path: string): string;
  /** Gunzips a buffer. Throws `UserError` when it is damaged, or unpacks to more than `most` bytes. */
  gunzip(data: Uint8Array, most: number): Promise<Uint8Array>;
  /**
   * SHA-256 of a file's content (streamed), lower-case hex.
   *
   * @param options `keep`: hash large files in the background, and reuse the hash as long as the file has not changed; without it the
   *   file is read again, which also detects a damaged disk
   */
  sha256(path: string, options?: { readonly keep?: boolean }): Promise<string>;
  /** CRC-32 as ZIP defines it, continuing from that of the preceding bytes, if the machine has a fast one. */
  crc32?(data: Uint8Array, previous?: number): number;
  /** SHA-256 of bytes, lower-case hex. */
  sha256Bytes(data: Uint8Array): Promise<string>;
  /** Adds bytes at the end of a file that another program reads meanwhile: no temporary file, no flush to the disk. */
  appendBytes?(path: string, bytes: Uint8Array): Promise<void>;
}
