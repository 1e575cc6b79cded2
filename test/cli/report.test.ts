import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { report } from '../../cli/terminal/report.js';
import { UserError } from '../../engine/errors.js';

function run(error: unknown, env: Record<string, string> = {}) {
  let text = '';
  const code = report(error, (part) => (text += part), env);
  return { code, text };
}

/** What commander throws for these arguments. */
function usageError(...args: string[]): unknown {
  const program = new Command('promptkd').version('1.2.3').exitOverride();
  program.configureOutput({ writeOut: () => {}, writeErr: () => {} });
  program.command('doctor').option('--json');
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    return error;
  }
}

describe('report', () => {
  it("names a user's mistake and a hint, without a stack, with code 2", () => {
    const { code, text } = run(new UserError('a.png is not an image', 'remove it'));
    expect({ code, text }).toEqual({ code: 2, text: 'error: a.png is not an image\nhint: remove it\n' });
  });

  it('gives code 1 for an internal failure, and prints its stack only with DEBUG', () => {
    expect(run(new Error('broken'))).toEqual({
      code: 1,
      text: 'error: broken\nhint: set DEBUG=1 to print the stack\n',
    });
    expect(run(new Error('broken'), { DEBUG: '1' }).text).toContain('report.test');
  });

  it('accepts anything that was thrown', () => {
    expect(run('words')).toMatchObject({ code: 1, text: expect.stringMatching(/^error: words\n/) });
    expect(run(undefined).code).toBe(1);
  });

  it.each([
    [['doctor', '--colour'], "error: unknown option '--colour'"],
    [['doktor'], "error: unknown command 'doktor'"],
  ])('gives code 2 to the usage error %j', (args, message) => {
    const { code, text } = run(usageError(...args));
    expect(code).toBe(2);
    expect(text.split('\n')[0]).toMatch(message);
  });

  it('gives code 0 for --help and --version, and 2 without a command', () => {
    expect(run(usageError('--help'))).toEqual({ code: 0, text: '' });
    expect(run(usageError('--version'))).toEqual({ code: 0, text: '' });
    expect(run(usageError())).toEqual({ code: 2, text: '' });
  });
});
