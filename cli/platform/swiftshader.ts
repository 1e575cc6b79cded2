/**
 * The embedded software adapter: SwiftShader and a Vulkan loader, unpacked from the npm package `@sparticuz/chromium` into the
 * user's cache. Linux x64 only, like that package.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { UserError } from '../../engine/errors.js';
import { cacheFolder } from './cacheFolder.js';

const PACKAGE = '@sparticuz/chromium';
const VERSION = '143.0.4';
const ICD = 'vk_swiftshader_icd.json';
/** The files to unpack, with their SHA-256: native code must be exactly what was tested. */
const FILES: Readonly<Record<string, string>> = {
  'libvk_swiftshader.so': '55571f337145a70e32bb64f07ceb413796cc7e9dc1ecac2144728777faf75c8c',
  'libvulkan.so.1': '858e4d3fd0fc5d1409f9c9c076e7611c0967459bab153c5cb4ec81124a24e53c',
  [ICD]: 'c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd',
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Unpacks SwiftShader into the user's cache unless it is there already.
 *
 * @param env environment that decides the cache folder
 * @param archive path of the archive (default: the one in the npm package)
 * @returns the folder of the libraries
 * @throws UserError if the package is missing or has another version, or the cache cannot be written
 */
export async function ensureSwiftShader(env: Environment = process.env, archive?: string): Promise<string> {
  const cache = cacheFolder(env);
  const folder = join(cache, `swiftshader-${VERSION}`);
  if (await isComplete(folder)) return folder;
  const source = archive ?? (await findArchive());
  let temporary: string | undefined;
  try {
    await mkdir(cache, { recursive: true });
    temporary = await mkdtemp(`${folder}.`);
    await unpack(source, temporary);
    if (!(await isComplete(temporary)))
      throw new UserError(
        `${source} does not contain the expected SwiftShader`,
        `run npm install to reinstall ${PACKAGE} ${VERSION}`,
      );
    await put(temporary, folder);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `the software adapter cannot be unpacked into ${cache}: ${(error as Error).message}`,
      'make that folder writable, or set XDG_CACHE_HOME to one that is',
    );
  } finally {
    if (temporary) await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

/**
 * glibc's allocator keeps up to 64 MiB of free memory, and takes pieces of up to 4 MiB from it: SwiftShader's compiler allocates and
 * frees a few MiB for each kernel, and by default they go back to the system every time (docs/decisions.md).
 */
const ALLOCATOR = { MALLOC_TRIM_THRESHOLD_: String(2 ** 26), MALLOC_MMAP_THRESHOLD_: String(2 ** 22) };

/** Environment variables that make SwiftShader the only Vulkan driver of a new process; those of the allocator are kept where set. */
export function swiftShaderEnvironment(folder: string, env: Environment): Record<string, string> {
  return {
    LD_LIBRARY_PATH: env.LD_LIBRARY_PATH ? `${folder}:${env.LD_LIBRARY_PATH}` : folder,
    VK_DRIVER_FILES: join(folder, ICD),
    ...(Object.keys(ALLOCATOR).some((name) => env[name] !== undefined) ? {} : ALLOCATOR),
  };
}

async function findArchive(): Promise<string> {
  // The package only exports its code, so look for the archive in each node_modules folder that Node would search.
  for (const root of createRequire(import.meta.url).resolve.paths(PACKAGE) ?? []) {
    const home = join(root, PACKAGE);
    const manifest = await readFile(join(home, 'package.json'), 'utf8').catch(() => undefined);
    if (manifest === undefined) continue;
    const { version } = JSON.parse(manifest) as { version: string };
    if (version === VERSION) return join(home, 'bin', 'swiftshader.tar.br');
    throw new UserError(
      `${PACKAGE} has version ${version}, but the software adapter needs ${VERSION}`,
      'run npm install',
    );
  }
  throw new UserError(
    `there is no Vulkan adapter, and the embedded one (npm package ${PACKAGE}) is not installed`,
    'run npm install --include=optional, or install a Vulkan driver for your GPU',
  );
}

async function unpack(archive: string, folder: string): Promise<void> {
  // Imported only here, because it is as optional as the package that it unpacks.
  const { extract } = await import('tar-fs');
  await pipeline(
    createReadStream(archive),
    createBrotliDecompress(),
    extract(folder, {
      ignore: (_, header) => !(header !== undefined && header.name in FILES),
      // As root, tar-fs would give the files to the user id in the archive.
      map: (header) => ({ ...header, mode: 0o644, uid: process.getuid!(), gid: process.getgid!() }),
    }),
  );
}

/** Moves the folder into place. If two processes do so at once, the second keeps the first one's. */
async function put(temporary: string, folder: string): Promise<void> {
  await chmod(temporary, 0o755);
  try {
    await rename(temporary, folder);
  } catch (error) {
    if (await isComplete(folder)) return;
    // Replace a damaged folder.
    await access(folder).catch(() => {
      throw error;
    });
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  }
}

async function isComplete(folder: string): Promise<boolean> {
  for (const [name, expected] of Object.entries(FILES)) {
    const content = await readFile(join(folder, name)).catch(() => undefined);
    if (!content || createHash('sha256').update(content).digest('hex') !== expected) return false;
  }
  return true;
}
