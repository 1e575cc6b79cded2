/** A temporary copy of the sources, for tests that add something to the project as its contributors do. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = [
  'engine',
  'formats',
  'models',
  'report',
  'checks',
  'shaders',
  'scripts',
  'package.json',
  'vitest.config.ts',
];

export class ProjectCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'promptkd-copy-'));

  constructor() {
    for (const name of [...SOURCES, 'test/helpers/check.ts'])
      cpSync(join(ROOT, name), this.path(name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), this.path('node_modules'), 'junction');
    const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
    const include = ['engine', 'formats', 'models', 'report', 'checks', 'shaders', 'test'];
    writeFileSync(this.path('tsconfig.json'), JSON.stringify({ compilerOptions, include }));
  }

  private path(name: string): string {
    return join(this.folder, name);
  }

  /** A new file. */
  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text, { flag: 'wx' });
  }

  /** More lines at the end of a file. */
  append(name: string, text: string): void {
    appendFileSync(this.path(name), text);
  }

  /** `added` before the first `mark` in a file. */
  insert(name: string, mark: string, added: string): void {
    const text = readFileSync(this.path(name), 'utf8');
    if (!text.includes(mark)) throw new Error(`${name} has no ${mark}`);
    writeFileSync(
      this.path(name),
      text.replace(mark, () => added + mark),
    );
  }

  /** Embeds the shaders, checks the types and runs tests; throws what a tool has printed where it fails. */
  check(...tests: string[]): void {
    this.run('scripts/embed-shaders.mjs');
    this.run('node_modules/typescript/bin/tsc', '--noEmit');
    this.run('node_modules/vitest/vitest.mjs', 'run', ...tests);
  }

  private run(script: string, ...parameters: string[]): void {
    try {
      execFileSync(process.execPath, [this.path(script), ...parameters], { cwd: this.folder, stdio: 'pipe' });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
      throw new Error(`${script} ${parameters.join(' ')}\n${stdout}\n${stderr}`);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
