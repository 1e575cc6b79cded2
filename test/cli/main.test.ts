/** The built command line as a separate process: exit codes, and that it ends. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function promptkd(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

describe('promptkd', () => {
  it('prints help and version with code 0', () => {
    expect(promptkd('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('doctor') });
    expect(promptkd('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  it('prints help with code 2 when no command is given', () => {
    expect(promptkd()).toMatchObject({ status: 2, stderr: expect.stringContaining('Usage') });
  });

  it.each([['frobnicate'], ['doctor', '--nope'], ['doctor', '--level', 'highest']])(
    'refuses %j',
    (...args) => {
      const { status, stderr } = promptkd(...args);
      expect(status).toBe(2);
      const help = args[0] === 'doctor' ? 'promptkd doctor --help' : 'promptkd --help';
      expect(stderr).toMatch(/^error: .*\n/);
      expect(stderr).toMatch(new RegExp(`\nhint: run ${help}\n$`));
    },
  );
});

describe('promptkd doctor', () => {
  it('names the adapter in use and passes the self-check', () => {
    const { status, stdout } = promptkd('doctor', '--json');
    const report = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(report.check).toMatchObject({ ok: true });
    expect(report.adapters.map((a: { name: string }) => a.name)).toContain(report.chosen.name);
    expect(report.limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
  });

  it('refuses an adapter that does not exist', () => {
    const { status, stderr } = promptkd('doctor', '--adapter', 'abacus');
    expect(status).toBe(2);
    expect(stderr).toMatch(/error: no .*adapter .*abacus/);
  });

  it('announces a software adapter in one line, on stderr only', () => {
    const { stdout, stderr } = promptkd('doctor', '--json');
    const { software } = JSON.parse(stdout).chosen;
    expect(stderr.split('\n').filter((line) => line.startsWith('adapter: '))).toHaveLength(software ? 1 : 0);
  });
});
