/** Signals to the built command line: while it trains, while it does not, and from a terminal. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { MARKER } from '../../cli/platform/relaunch.js';
import { drawFewEmoji, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { metricsOf } from '../helpers/runFiles.js';

const folder = temporaryFolder('stop');
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
beforeAll(async () => void (await drawFewEmoji(join(folder, 'data'))));

/** A process, and everything that it prints on both streams. */
class Watched {
  text = '';
  readonly ended: Promise<number | NodeJS.Signals>;
  constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.text += text;
      });
    this.ended = new Promise((resolve) =>
      child.on('close', (code, signal) => resolve((code ?? signal) as number | NodeJS.Signals)),
    );
  }

  async says(part: RegExp): Promise<void> {
    const over = this.ended.then((code) => {
      if (!part.test(this.text)) throw new Error(`ended with ${code}: ${this.text.slice(-2000)}`);
    });
    while (!part.test(this.text)) await Promise.race([sleep(20), over]);
  }
}

/** A loop like that of a run, without a device. With BUSY it never checks whether it should stop. */
const loop = (before = '') => `
  import { createStop, keepNohup } from '${new URL('../../dist/cli/terminal/stop.js', import.meta.url).href}';
  import { report } from '${new URL('../../dist/cli/terminal/report.js', import.meta.url).href}';
  keepNohup();
  const stop = createStop((line) => console.log(line));
  ${before}
  stop.begin();
  console.log('training');
  setInterval(() => {
    if (stop.requested && !process.env.BUSY)
      process.exit(report(stop.stopped('kept: continue'), (text) => console.log(text), {}));
  }, 10);`;
const script = (text: string, env: Record<string, string> = {}, stdin: 'ignore' | number = 'ignore') =>
  new Watched(
    spawn(process.execPath, ['--input-type=module', '-e', text], {
      stdio: [stdin, 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    }),
  );

describe('a loop that listens', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends by itself on %s, in one line', async (signal, code) => {
    const run = script(loop());
    await run.says(/training/);
    run.child.kill(signal);
    expect(await run.ended).toBe(code);
    expect(run.text).toMatch(/stopping after this step; a second \S+ ends at once\nkept: continue\n/);
  });

  it('counts two signals in a row as one, and ends on a later one', async () => {
    const run = script(loop(), { BUSY: '1' });
    await run.says(/training/);
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    await run.says(/stopping/);
    await sleep(400);
    expect(run.child.exitCode ?? run.child.signalCode).toBeNull();
    run.child.kill('SIGINT');
    expect(await run.ended).toBe('SIGINT');
  });

  it('ends at once before and after it listens, even if it is busy', async () => {
    const run = script(loop("stop.begin(); stop.end(); console.log('busy'); for (;;);"));
    await run.says(/busy/);
    run.child.kill('SIGINT');
    expect(await run.ended).toBe('SIGINT');
  });

  it.runIf(existsSync('/dev/null'))('continues after a hang-up under nohup', async () => {
    // What nohup gives as stdin instead of a terminal.
    const run = script(loop(), {}, openSync('/dev/null', 'w'));
    await run.says(/training/);
    run.child.kill('SIGHUP');
    await sleep(300);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(143);
    expect(run.text).not.toContain('SIGHUP');
  });
});

const teacher = (out: string, ...more: string[]) => [
  ...['teacher', '--clip', emojiTeacher, '--data', 'data', '--out', out, '--classes', 'all'],
  ...['--shots', '2', '--batch', '4', '--vision-depth', '1', '--text-depth', '1', ...more],
];
const STOPPED = /^stopped after .* --resume --out .+$/m;

describe('promptkd teacher', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('keeps its work on %s and says how to continue', async (signal, code) => {
    const run = new Watched(
      spawn(process.execPath, [main, ...teacher(signal, '--epochs', '400')], { cwd: folder }),
    );
    await run.says(/tuning the teacher: \d+%/);
    run.child.kill(signal);
    expect(await run.ended, run.text).toBe(code);
    expect(run.text).toMatch(STOPPED);
    expect(run.text).not.toMatch(/^error/m);
    expect(readdirSync(join(folder, signal, 'checkpoints')).length).toBeGreaterThan(0);
    expect(existsSync(join(folder, signal, 'teacher.safetensors'))).toBe(false);
    expect(metricsOf(join(folder, signal)).length).toBeLessThan(400);
  });
});

/** `script` of util-linux runs a command on its own terminal and returns its exit code. */
const terminal = spawnSync('script', ['-qec', 'exit 7', '/dev/null'], { stdio: 'ignore' }).status === 7;

describe.runIf(terminal)('on a terminal', () => {
  it.each([
    ['in one process', {}],
    ['with the embedded adapter in another', { [MARKER]: '', PROMPTKD_ADAPTER: 'swiftshader' }],
  ])('Ctrl-C stops a run %s and leaves line wrapping and cursor alone', async (_, change) => {
    const out = Object.keys(change).length > 0 ? 'terminal-2' : 'terminal-1';
    const env: Record<string, string | undefined> = { ...process.env, ...change, TERM: 'xterm' };
    if (env[MARKER] === '') delete env[MARKER];
    const quoted = [process.execPath, main, ...teacher(out, '--epochs', '400')].map((part) => `'${part}'`);
    const run = new Watched(
      spawn('script', ['-qec', quoted.join(' '), '/dev/null'], { cwd: folder, env, stdio: 'pipe' }),
    );
    await run.says(/tuning the teacher .*\d+\/800/);
    run.child.stdin!.write('\x03');
    expect(await run.ended, run.text).toBe(130);
    expect(run.text).toMatch(/Ctrl-C: stopping after this step/);
    expect(run.text.replaceAll('\r', '')).toMatch(STOPPED);
    for (const off of ['?7l', '?25l']) expect(run.text.includes(off)).toBe(false);
  });
});
