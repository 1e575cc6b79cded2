/** A platform whose files are in memory. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../../models/platform.js';

/** Files in memory; a folder exists when a file lies in it. */
export function memoryPlatform(files: Record<string, Uint8Array | string>): Platform {
  const bytesOf = (path: string): Uint8Array => {
    const file = files[path];
    if (file === undefined) throw new UserError(`${path} does not exist`, 'Check the path.');
    return typeof file === 'string' ? new TextEncoder().encode(file) : file;
  };
  const unused = async (): Promise<never> => {
    throw new Error('not part of this test');
  };
  return {
    stat: async (path) => {
      if (files[path] !== undefined) return { kind: 'file', size: bytesOf(path).length };
      const isFolder = Object.keys(files).some((name) => name.startsWith(`${path}/`));
      return isFolder ? { kind: 'folder', size: 0 } : undefined;
    },
    read: async (path, offset = 0, length) => {
      const bytes = bytesOf(path);
      const end = length === undefined ? bytes.length : offset + length;
      if (offset < 0 || end > bytes.length) throw new UserError(`${path} is too short`, 'Copy it again.');
      return bytes.slice(offset, end);
    },
    readStart: async (path, length) => bytesOf(path).slice(0, length),
    readText: async (path) => new TextDecoder().decode(bytesOf(path)),
    list: async (folder) =>
      Object.keys(files)
        .filter((name) => name.startsWith(`${folder}/`))
        .map((name) => name.slice(folder.length + 1))
        .filter((name) => !name.includes('/'))
        .sort()
        .map((name) => ({ name, kind: 'file' })),
    join: (...parts) =>
      parts
        .filter((part) => part !== '.')
        .join('/')
        .replaceAll('//', '/'),
    baseName: (path) => path.slice(path.lastIndexOf('/') + 1),
    gunzip: async (data) => gunzipSync(data),
    sha256: async (path) => createHash('sha256').update(bytesOf(path)).digest('hex'),
    sha256Bytes: async (data) => createHash('sha256').update(data).digest('hex'),
    realPath: unused,
    write: unused,
    append: unused,
    makeFolder: unused,
    remove: unused,
    decodeImage: unused,
  };
}
