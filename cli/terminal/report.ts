/**
 * The message for an error, and the exit code: 0 success, 1 an internal failure or a missed check, 2 wrong input, 128 plus the
 * signal's number when a signal stopped the command.
 */
import { CommanderError } from 'commander';
import { OutputError, UserError } from '../../engine/errors.js';
import { debugLevel } from '../debug/level.js';
import { ReaderGone } from './output.js';
import { Stopped, stopCode } from './stop.js';

/**
 * Writes the message for an error and returns the exit code.
 *
 * @param write takes text for stderr
 * @param env if DEBUG is set, the stack is printed too
 */
export function report(
  error: unknown,
  write: (text: string) => void,
  env: Readonly<Record<string, string | undefined>>,
): number {
  if (error instanceof CommanderError) {
    // Commander throws help and version with code 0, and the help that it prints for a missing command with code 1.
    if (error.exitCode === 0 || error.code === 'commander.help') return error.exitCode === 0 ? 0 : 2;
    const { helpCommand = 'promptkd --help' } = error as { helpCommand?: string };
    write(`error: ${error.message.replace(/^error: /, '')}\nhint: run ${helpCommand}\n`);
    return 2;
  }
  if (error instanceof ReaderGone) return 0;
  if (error instanceof Stopped) {
    write(`${error.message}\n`);
    return stopCode();
  }
  if (error instanceof UserError) {
    write(`error: ${error.message}\nhint: ${error.hint}\n`);
    if (debugLevel(env) > 0 && error.stack) write(`${error.stack}\n`);
    return error instanceof OutputError ? 1 : 2;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  write(`error: ${message || 'unknown error'}\n`);
  write(debugLevel(env) > 0 ? `${stack}\n` : 'hint: set DEBUG=1 to print the stack\n');
  return 1;
}
