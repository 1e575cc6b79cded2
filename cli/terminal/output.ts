/** Output of a command. Results go to stdout through `print` and nowhere else; everything else goes to stderr. */
import { fstatSync, fsyncSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { OutputError } from '../../engine/errors.js';

/** The error for results that could not be written to stdout. */
function failed(error: unknown): OutputError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new OutputError(
    `the output cannot be written: ${REASONS[code ?? ''] ?? message}`,
    'free some space or redirect the output elsewhere, and run the command again',
    { cause: error },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file may not grow further',
};

/** The reader of stdout has stopped, as `head` does. This is no error, but there is nobody left to print for. */
export class ReaderGone extends Error {}

let queue: Promise<void> = Promise.resolve();
let file: boolean | undefined;

/**
 * Writes results to stdout.
 *
 * @throws OutputError if they cannot be written completely; ReaderGone if nobody reads any more
 */
export function print(text: string): Promise<void> {
  const printed = queue.then(() => (isFile() ? writeFully(Buffer.from(text)) : writeToStream(text)));
  // Callers await the result; after a failure nothing more is written.
  queue = printed;
  queue.catch(() => undefined);
  return printed;
}

/** Prints JSON. Numbers that JSON lacks, such as infinity, become null. */
export const printJson = (value: unknown): Promise<void> => print(`${JSON.stringify(value, null, 2)}\n`);

/** Waits until everything printed so far is written; throws like `print`. */
export async function printed(): Promise<void> {
  await queue;
  if (!file || !fstatSync(1).isFile()) return;
  try {
    // Some file systems accept data that they have no room for, and report it only here.
    fsyncSync(1);
  } catch (error) {
    if (['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw failed(error);
  }
}

/** Writes to stderr. If that fails, the command continues. */
export function say(text: string): void {
  try {
    process.stderr.write(text);
  } catch {}
}

/** Keeps stream errors from ending the command: `print` reports those of stdout, and those of stderr do not matter. */
export function guardStreams(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Whether stdout is a file or device, for which Node's stream would ignore partial writes. */
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
