/** Makes the compiled command executable, so that `npx promptkd` works in a checkout. */
import { chmodSync } from 'node:fs';

chmodSync(new URL('../dist/cli/main.js', import.meta.url), 0o755);
