/** Bundles the page of `promptkd export --format web` into dist/web, so that an export only copies it. */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const out = at('dist/web');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  entryPoints: [at('web/page.ts'), at('web/worker.ts'), at('web/page.css')],
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  // A browser's own WebGPU is used, so the package with Dawn for Node is left out.
  alias: { webgpu: at('web/noDawn.ts') },
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
});
if (process.argv.includes('--sizes')) {
  const { analyzeMetafile } = await import('esbuild');
  console.log(await analyzeMetafile(metafile));
}
for (const file of ['index.html', 'icon.svg']) copyFileSync(at(`web/${file}`), `${out}/${file}`);
