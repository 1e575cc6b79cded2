/** The package as npm would publish it, installed in an empty folder beside its dependencies. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { rootFolder } from '../../bench/environment.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('package');
const modules = join(folder, 'node_modules');
const installed = join(modules, 'promptkd');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}
let packed: Packed;

function run(command: string, ...args: string[]) {
  const result = spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
  return { ...result, all: `${result.stdout}${result.stderr}` };
}

beforeAll(() => {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const output = execFileSync(npm, args, {
    cwd: rootFolder(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  [packed] = JSON.parse(output) as [Packed];
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', installed]);
  // Only what the package depends on, as npm would install it; packages of packages are found where the links lead.
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const from = join(rootFolder(), 'node_modules');
  for (const name of [...Object.keys(dependencies), 'typescript', '@types', '@webgpu', 'undici-types']) {
    if (name.includes('/')) mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(join(from, name), join(modules, name));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
});

describe('the package', () => {
  it('has what its commands need, and nothing of the development', () => {
    const folders = new Set(packed.files.map(({ path }) => path.split('/').slice(0, 2).join('/')));
    expect([...folders].filter((name) => name.includes('/')).sort()).toEqual(
      [
        ...['bench', 'checks', 'cli', 'engine', 'formats', 'models', 'report', 'shaders', 'web'].map(
          (name) => `dist/${name}`,
        ),
        ...['docs/images', 'emoji-clip/README.md', 'emoji-clip/domain.json', 'emoji-clip/expected.json'],
        ...[
          'emoji-clip/student',
          'emoji-clip/teacher',
          'presets/base-to-novel.yaml',
          'presets/cross-dataset.yaml',
        ],
      ].sort(),
    );
    const bench = packed.files.filter(({ path }) => path.startsWith('dist/bench/'));
    expect(bench.filter(({ path }) => !path.startsWith('dist/bench/workloads/'))).toEqual([]);
    expect(packed.size).toBeLessThan(4e6);
    expect(statSync(join(installed, 'dist', 'cli', 'main.js')).mode & 0o100).toBe(0o100);
    expect(readdirSync(join(installed, 'dist', 'web'))).toContain('index.html');
  });

  it('runs its commands', () => {
    const main = join(installed, 'dist', 'cli', 'main.js');
    const help = run(process.execPath, main, '--help');
    expect(help.status, help.all).toBe(0);
    const sizes = ['--dry-run', '10', '--teacher', 'ViT-B/32', '--clip', 'ViT-B/32', '--out', 'x'];
    const plan = run(process.execPath, main, 'distill', ...sizes, '--data', folder);
    expect(plan.status, plan.all).toBe(0);
    expect(plan.stdout).toContain('GFLOP');
  });

  it('is a library of three entries', () => {
    const code = `
      import { input, matmul } from 'promptkd/engine';
      import { parseSettings, StudentSettingsSchema } from 'promptkd/models';
      import * as node from 'promptkd/node';
      console.log(matmul(input([2, 3]), input([3, 4])).shape.join(), typeof parseSettings, Object.keys(node).length > 0);`;
    writeFileSync(join(folder, 'library.mjs'), code);
    const { status, stdout, all } = run(process.execPath, 'library.mjs');
    expect(status, all).toBe(0);
    expect(stdout.trim()).toBe('2,4 function true');
  });

  it.each([
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ])('has types for --module %s --moduleResolution %s', (module, moduleResolution) => {
    const code = `
      import { input, matmul, type Tensor } from 'promptkd/engine';
      import type { StudentSettings } from 'promptkd/models';
      export const y: Tensor = matmul(input([2, 3]), input([3, 4]));
      export const epochs = (settings: StudentSettings): number => settings.epochs;`;
    writeFileSync(join(folder, 'library.ts'), code);
    const tsc = join(rootFolder(), 'node_modules', '.bin', 'tsc');
    const flags = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--types',
      '@webgpu/types',
      '--ignoreConfig',
    ];
    const { status, all } = run(
      tsc,
      ...flags,
      ...['--module', module, '--moduleResolution', moduleResolution, '--skipLibCheck', 'library.ts'],
    );
    expect(status, all).toBe(0);
  });
});
