/**
 * What is printed for an error, and the exit code: 0 fine, 1 a failure of ours or a miss, 2 a mistake in the input, 128 and the
 * signal's number where a signal stopped it.
 */
import { CommanderError } from 'commander';
import { OutputError, UserError } from '../../engine/errors.js';
import { ReaderGone } from './output.js';
import { Stopped, stopCode } from './stop.js';

/**
 * Writes the message for an error and gives the exit code.
 *
 * @param write takes text for stderr
 * @param env with DEBUG set, the stack is printed too
 */
export function report(
  error: unknown,
  write: (text: string) => void,
  env: Readonly<Record<string, string | undefined>>,
): number {
  if (error instanceof CommanderError) {
    // Help and version are "errors" to commander, with code 0; bare help after a missing command is not.
    if (error.exitCode === 0 || error.code === 'commander.help') return error.exitCode === 0 ? 0 : 2;
    write(
      `error: ${error.message.replace(/^error: /, '')}\nmend: promptkd --help lists commands and options\n`,
    );
    return 2;
  }
  if (error instanceof ReaderGone) return 0;
  if (error instanceof Stopped) {
    write(`${error.message}\n`);
    return stopCode();
  }
  if (error instanceof UserError) {
    write(`error: ${error.message}\nmend: ${error.mend}\n`);
    if (env.DEBUG && error.stack) write(`${error.stack}\n`);
    return error instanceof OutputError ? 1 : 2;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  write(`error: ${message || 'unknown'}\n`);
  write(env.DEBUG ? `${stack}\n` : 'set DEBUG=1 to see where it happened\n');
  return 1;
}
