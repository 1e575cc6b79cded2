/**
 * The file system calls that writing a file takes, in one object, so that tests can replace them by a disk that is full or
 * fails.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';

/** A file that is being written. */
export interface OutputFile {
  /** Writes bytes at an offset; returns how many were written, which may be fewer. */
  write(bytes: Uint8Array, at: number): Promise<number>;
  /** Size in bytes. */
  size(): Promise<number>;
  /** Flushes the content to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system, as far as writing needs it. */
export interface WritingFiles {
  /** Creates a file; fails if it exists. */
  create(path: string): Promise<OutputFile>;
  rename(from: string, to: string): Promise<void>;
  /** Flushes the names in a folder to the disk, if the system supports it. */
  syncFolder(folder: string): Promise<void>;
  /** Creates a folder and its parents. Returns the outermost one that was created. */
  makeFolder(folder: string): Promise<string | undefined>;
  remove(path: string): Promise<void>;
}

/** The real file system. */
export const files: WritingFiles = {
  async create(path) {
    const file = await open(path, 'wx');
    return {
      write: async (bytes, at) => (await file.write(bytes, 0, bytes.length, at)).bytesWritten,
      size: async () => (await file.stat()).size,
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  rename,
  async syncFolder(path) {
    const folder = await open(path, 'r').catch(ignoreUnsupported);
    try {
      await folder?.sync().catch(ignoreUnsupported);
    } finally {
      await folder?.close();
    }
  },
  makeFolder: (path) => mkdir(path, { recursive: true }),
  remove: (path) => rm(path, { force: true }),
};

/** Windows cannot open folders, network drives may not flush them, and some are writable but not readable. */
const NO_FLUSHING = ['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'EBADF', 'ENOTSUP', 'ENOSYS'];

function ignoreUnsupported(error: NodeJS.ErrnoException): undefined {
  if (!NO_FLUSHING.includes(error.code ?? '')) throw error;
}
