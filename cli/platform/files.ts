/**
 * The calls of the file system that writing a file takes, one by one and in one object: whoever wants to see what a full or
 * failing disk does to a run puts other functions in their place.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';

/** A file that is being written. */
export interface OutputFile {
  /** Writes bytes at a place; returns how many of them were taken, which may be fewer. */
  write(bytes: Uint8Array, at: number): Promise<number>;
  /** How many bytes the file has. */
  size(): Promise<number>;
  /** Returns when the bytes are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface WritingFiles {
  /** A new file; there must be none of this name. */
  create(path: string): Promise<OutputFile>;
  rename(from: string, to: string): Promise<void>;
  /** Returns when the names in a folder are on the disk, where systems have such a thing. */
  syncFolder(folder: string): Promise<void>;
  /** Also its parents. Returns the first one that was not there. */
  makeFolder(folder: string): Promise<string | undefined>;
  remove(path: string): Promise<void>;
}

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
    const folder = await open(path, 'r').catch(withoutSuchAThing);
    try {
      await folder?.sync().catch(withoutSuchAThing);
    } finally {
      await folder?.close();
    }
  },
  makeFolder: (path) => mkdir(path, { recursive: true }),
  remove: (path) => rm(path, { force: true }),
};

/** Windows opens no folders, network drives may not flush them, and some may be written but not read. */
const NO_FLUSHING = ['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'EBADF', 'ENOTSUP', 'ENOSYS'];

function withoutSuchAThing(error: NodeJS.ErrnoException): undefined {
  if (!NO_FLUSHING.includes(error.code ?? '')) throw error;
}
