/** The peers' packages, which only this command installs, into bench/peers/node_modules. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../../engine/errors.js';
import { packageVersion, rootFolder } from '../environment.js';

export const peersFolder = (): string => join(rootFolder(), 'bench', 'peers');

const require = createRequire(join(peersFolder(), 'package.json'));

/** Path of a file of a peer's package. */
export const peerFile = (...path: string[]): string => join(peersFolder(), 'node_modules', ...path);

/** Imports a peer's package as its documentation says, or a file of it. */
export async function importPeer<T>(name: string, file?: string): Promise<T> {
  const path = file === undefined ? require.resolve(name) : peerFile(name, file);
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  // CommonJS packages arrive as the default export.
  return (
    path.endsWith('.mjs') || !module.default ? module : { ...(module.default as object), ...module }
  ) as T;
}

export const peerVersion = (name: string): string => packageVersion(name, peersFolder());

/** Installs them as the lock file says, where they are not installed yet. */
export function installPeers(): void {
  if (existsSync(peerFile('onnxruntime-node'))) return;
  process.stderr.write('installing the peers into bench/peers/node_modules\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status } = spawnSync(npm, ['ci'], {
    cwd: peersFolder(),
    stdio: ['ignore', 'ignore', 'inherit'],
    // Its script would fetch CUDA libraries, which nothing here uses.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  });
  if (status !== 0)
    throw new UserError(
      'the peers could not be installed',
      `run npm ci in ${peersFolder()} and see what it says`,
    );
}
