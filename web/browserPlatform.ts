/** Files for the models in a browser: one that was fetched, held in memory. */
import { UnreadableFile } from '../formats/files.js';
import type { Platform } from '../models/platform.js';

/**
 * Fetches a file of this site.
 *
 * @param onProgress bytes so far, and of how many where the server says so
 * @throws UnreadableFile when the server does not give it
 */
export async function fetchFile(
  url: URL,
  onProgress: (bytes: number, total?: number) => void,
): Promise<Uint8Array> {
  const missing = (reason: string) => new UnreadableFile(url.pathname, reason, 'reload the page');
  let response: Response;
  try {
    // A newer export under the same name must not be taken for the one in the cache.
    response = await fetch(url, { cache: 'no-cache' });
  } catch {
    throw missing('cannot be fetched');
  }
  if (!response.ok || !response.body) throw missing(`cannot be fetched: status ${response.status}`);
  // The length of a compressed answer is not that of its content.
  const length = response.headers.has('content-encoding')
    ? 0
    : Number(response.headers.get('content-length'));
  const total = length > 0 ? length : undefined;
  let bytes = new Uint8Array(total ?? 2 ** 20);
  let filled = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw missing('was cut off on its way');
    });
    if (done) return bytes.subarray(0, filled);
    if (filled + value.length > bytes.length) {
      const larger = new Uint8Array(2 * (filled + value.length));
      larger.set(bytes.subarray(0, filled));
      bytes = larger;
    }
    bytes.set(value, filled);
    filled += value.length;
    onProgress(filled, total);
  }
}

/** What loading a model from one file takes; the rest of a platform is not there. */
export function memoryPlatform(name: string, content: Uint8Array): Platform {
  const open = (path: string): Uint8Array => {
    if (path !== name) throw new UnreadableFile(path, 'does not exist', 'export the page again');
    return content;
  };
  const absent = (what: string) => async (): Promise<never> => {
    throw new Error(`a page cannot ${what}`);
  };
  return {
    stat: async (path) => (path === name ? { kind: 'file', size: content.length } : undefined),
    realPath: async (path) => path,
    read: async (path, offset = 0, length = content.length - offset) =>
      open(path).slice(offset, offset + length),
    readStart: async (path, length) => open(path).slice(0, length),
    readText: async (path) => new TextDecoder().decode(open(path)),
    sha256: async (path) => sha256(open(path)),
    sha256Bytes: sha256,
    join: (...parts) => parts.filter((part) => part !== '.').join('/'),
    baseName: (path) => path.slice(path.lastIndexOf('/') + 1),
    list: absent('list folders'),
    write: absent('write files'),
    append: absent('write files'),
    makeFolder: absent('make folders'),
    remove: absent('remove files'),
    gunzip: absent('unpack files'),
    decodeImage: absent('decode files by their paths'),
  };
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
