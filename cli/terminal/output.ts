/** What a command prints: all of its results, or an error. Nothing else writes to stdout. */
import { fstatSync, fsyncSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { OutputError } from '../../engine/errors.js';

/** What is told of results that did not arrive where stdout leads. */
function failed(error: unknown): OutputError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new OutputError(
    `the output cannot be written: ${REASONS[code ?? ''] ?? message}`,
    'make room or print elsewhere, and run the command again',
    { cause: error },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file may not grow further',
};

/** Whoever read our output has stopped, as `head` does: there is nobody left to print for, and nothing went wrong. */
export class ReaderGone extends Error {}

let queue: Promise<void> = Promise.resolve();
let file: boolean | undefined;

/**
 * Writes results to stdout.
 *
 * @throws OutputError where they cannot be written wholly; ReaderGone where nobody reads on
 */
export function print(text: string): Promise<void> {
  const printed = queue.then(() => (isFile() ? writeFully(Buffer.from(text)) : writeToStream(text)));
  // Awaited by whoever prints; behind a failure nothing more is written.
  queue = printed;
  queue.catch(() => undefined);
  return printed;
}

/** Prints for programs. Numbers that JSON has not, such as infinite errors, become null. */
export const printJson = (value: unknown): Promise<void> => print(`${JSON.stringify(value, null, 2)}\n`);

/** Waits for what was printed so far; throws as `print` does. */
export async function printed(): Promise<void> {
  await queue;
  if (!file || !fstatSync(1).isFile()) return;
  try {
    // Some file systems take what they have no room for, and say so only now.
    fsyncSync(1);
  } catch (error) {
    if (['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw failed(error);
  }
}

/** Tells the user on stderr. Where nobody listens, or nothing can be written, the command goes on. */
export function say(text: string): void {
  try {
    process.stderr.write(text);
  } catch {}
}

/** Keeps what is wrong with a stream from ending the command: `print` notices it, and stderr does not matter. */
export function guardStreams(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Files and devices, which Node's stream would write to without a look at how much was taken. */
function isFile(): boolean {
  if (file === undefined) {
    const found = fstatSync(1);
    file = found.isFile() || found.isBlockDevice() || (found.isCharacterDevice() && !isatty(1));
  }
  return file;
}

function writeFully(bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  } catch (error) {
    throw failed(error);
  }
}

const writeToStream = (text: string): Promise<void> =>
  new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => {
      if (!error) resolve();
      else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new ReaderGone() : failed(error));
    }),
  );
