/** `npm run docs:api`: the reference of the public API, in docs/api. Any warning of TypeDoc is an error. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const windows = process.platform === 'win32';

function run(command, args, shell = false) {
  const { status } = spawnSync(command, args, { cwd: folder, stdio: 'inherit', shell });
  if (status !== 0) process.exit(status ?? 1);
}

// TypeDoc reads programs through TypeScript's JavaScript interface, which TypeScript 7 lacks.
if (!existsSync(`${folder}node_modules/typedoc`)) run(windows ? 'npm.cmd' : 'npm', ['ci'], windows);
run(process.execPath, ['node_modules/typedoc/bin/typedoc', ...process.argv.slice(2)]);
