/** The npm packages of the peers, installed by this command into bench/peers/node_modules. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../../engine/errors.js';
import { packageVersion, rootFolder } from '../environment.js';

/** The folder with the package.json of the peers. */
const peersFolder = (): string => join(rootFolder(), 'bench', 'peers');

const require = createRequire(join(peersFolder(), 'package.json'));

/** The path of a file in a peer's package. */
const peerFile = (...path: string[]): string => join(peersFolder(), 'node_modules', ...path);

/** Imports a peer's package, or a file of it. */
export async function importPeer<T>(name: string, file?: string): Promise<T> {
  const path = file === undefined ? require.resolve(name) : peerFile(name, file);
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  // CommonJS packages arrive as the default export.
  return (
    path.endsWith('.mjs') || !module.default ? module : { ...(module.default as object), ...module }
  ) as T;
}

/** The installed version of a peer. */
export const peerVersion = (name: string): string => packageVersion(name, peersFolder());

/**
 * Installs the packages from the lock file, if they are not installed yet.
 *
 * @throws UserError when npm fails
 */
export function installPeers(): void {
  if (existsSync(peerFile('onnxruntime-node'))) return;
  process.stderr.write('installing the peers into bench/peers/node_modules\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status } = spawnSync(npm, ['ci'], {
    cwd: peersFolder(),
    stdio: ['ignore', 'ignore', 'inherit'],
    // onnxruntime's script would download CUDA libraries, which are not used.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  });
  if (status !== 0)
    throw new UserError('the peers could not be installed', `run npm ci in ${peersFolder()} to see why`);
}
