/** After compiling: removes what is left in dist/ of sources that are gone, and makes the command executable (`npx promptkd` in a checkout). */
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
/** The bundle of the exported page, which scripts/bundle-web.mjs makes. */
const BUNDLE = /^web[\\/]/;

for (const name of readdirSync(dist, { recursive: true })) {
  const source = name.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
  if (source !== name && !BUNDLE.test(name) && !existsSync(join(root, source)))
    rmSync(join(dist, name), { force: true });
}
chmodSync(join(dist, 'cli', 'main.js'), 0o755);
