/** Results are written completely, or the command fails; errors of stderr do not matter. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { drawFewEmoji, emojiStudent, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('output');
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const output = new URL('../../dist/cli/terminal/output.js', import.meta.url).href;
const full = '/dev/full';
const NO_ROOM =
  'error: the output cannot be written: no space left on the device\n' +
  'hint: free some space or redirect the output elsewhere, and run the command again\n';

function run(args: readonly string[], { out = 'pipe', err = 'pipe' }: { out?: string; err?: string } = {}) {
  const opened = [out, err].map((to) => (to === 'pipe' ? to : openSync(to, 'w')));
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    stdio: ['ignore', opened[0], opened[1]] as ('pipe' | number)[],
    encoding: 'utf8',
  });
  for (const fd of opened) if (typeof fd === 'number') closeSync(fd);
  // Warnings of this machine's Vulkan drivers, not ours.
  return { status, stdout, stderr: stderr?.replace(/^(Warning|adapter): .*\n/gm, '') };
}
const sh = (line: string, ...args: string[]) =>
  spawnSync('bash', ['-c', line, 'bash', process.execPath, main, ...args], { encoding: 'utf8', cwd: folder });

describe.runIf(existsSync(full))('on a full disk', () => {
  it.each([
    '--help',
    '--version',
    'distill --help',
    'doctor',
    'doctor --json',
    'tune --show',
    'teacher --dry-run 10 --clip ViT-B/16',
    'distill --dry-run 10 --clip ViT-B/16 --teacher ViT-L/14',
  ])('%s fails with one message', (line) => {
    const { status, stderr } = run([main, ...line.split(' ')], { out: full });
    expect({ status, stderr }).toEqual({ status: 1, stderr: NO_ROOM });
  });

  it('predict fails in the same way', async () => {
    const data = await drawFewEmoji(join(folder, 'data'), fewEmoji({ classes: 2, train: 1, test: 1 }));
    const predict = [main, 'predict', '--clip', emojiStudent, '--json', '--class', 'cat', 'dog', '--', data];
    const { status, stderr } = run(predict, { out: full });
    expect({ status, stderr: stderr.slice(-NO_ROOM.length) }).toEqual({ status: 1, stderr: NO_ROOM });
  });

  it('does not end a command whose stderr is there', () => {
    expect(run([main, 'doctor', '--json'], { err: full })).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\{[\s\S]*\}\n$/),
    });
    expect(run([main, 'frobnicate'], { err: full }).status).toBe(2);
  });
});

describe('what is printed', () => {
  const long = (lines: number) =>
    `import { print, printed } from '${output}';
     for (let i = 0; i < ${lines}; i++) void print(String(i).padStart(99) + '\\n');
     await printed();
     process.exit(0);`;

  it('is written completely to a file and to a pipe, in order, before the command ends', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `${String(i).padStart(99)}\n`).join('');
    const script = ['--input-type=module', '-e', long(20_000)];
    const piped = spawnSync(process.execPath, script, { encoding: 'utf8', maxBuffer: 2 ** 24 });
    expect(piped.status).toBe(0);
    expect(piped.stdout === text).toBe(true);
    const path = join(folder, 'long.txt');
    expect(run(script, { out: path }).status).toBe(0);
    expect(readFileSync(path, 'utf8') === text).toBe(true);
  });

  it.runIf(process.platform !== 'win32')('is an error if the file may not grow', () => {
    const { status, stderr } = sh('ulimit -f 1; "$1" "$2" distill --help > small.txt');
    expect(stderr).toMatch(
      /^error: the output cannot be written: the file may not grow further\nhint: .+\n$/,
    );
    expect(status).toBe(1);
    expect(readFileSync(join(folder, 'small.txt')).length).toBeLessThanOrEqual(1024);
  });

  it.runIf(process.platform !== 'win32')('may be read in part', () => {
    const { stdout, stderr } = sh(
      '"$1" "$2" distill --help | head -c 20; code=$PIPESTATUS; echo; echo $code',
    );
    expect(stdout).toBe('Usage: promptkd dist\n0\n');
    expect(stderr).toBe('');
  });

  it.runIf(process.platform !== 'win32')('does not depend on a reader of stderr', () => {
    expect(sh('"$1" "$2" doctor --json 2>&-')).toMatchObject({ status: 0 });
    // The reader of stderr ends before anything is written.
    const { stdout } = sh('"$1" "$2" doctor --json 2> >(exec true) | cat; echo $PIPESTATUS');
    expect(stdout).toMatch(/^\{[\s\S]*\}\n0\n$/);
  });
});
