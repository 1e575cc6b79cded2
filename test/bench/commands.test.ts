/** Every measurement runs from end to end at tiny sizes. `peers` has its own test. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('bench');
const run = promisify(execFile);

describe('npm run bench', () => {
  it.each(['kernels', 'ladder gemm', 'encoder', 'step', 'host', 'loader', 'distill', 'start'])(
    '%s prints a table and stores its rows',
    async (command) => {
      const words = command.split(' ');
      const out = join(folder, words[0]!);
      const { stdout } = await run(process.execPath, [
        ...['dist/bench/main.js', ...words],
        ...['--quick', '--repeats', '1', '--out', out],
      ]);
      expect(stdout).toContain('|---');
      const { name, rows } = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
      expect([words[0], words.join('-')]).toContain(name);
      expect(rows.length).toBeGreaterThan(0);
    },
    120_000,
  );
});
