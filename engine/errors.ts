/**
 * A mistake in what the user gave (a file, a setting, a shape), as opposed to a bug of ours.
 * The command line prints it without a stack trace and exits with code 2.
 *
 * @param message what is wrong, naming the file and the field
 * @param hint what the user can do about it
 */
export class UserError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'UserError';
    this.hint = hint;
  }
}

/** A file that cannot be written: nobody's mistake in the input, so the command line exits with code 1. */
export class OutputError extends UserError {
  constructor(message: string, hint: string, options?: { readonly cause?: unknown }) {
    super(message, hint);
    this.name = 'OutputError';
    if (options) this.cause = options.cause;
  }
}

/** What is known of memory that did not suffice, in bytes. */
export interface MemoryNeed {
  /** On the device in all, with what was there already. */
  readonly needed: number;
  /** Of that, what the device took before it refused. */
  readonly available: number;
  /** The largest buffer that the adapter allows, where it was that which was too small. */
  readonly largest?: number;
}

/** The device has less memory than the work needs. */
export class OutOfMemoryError extends UserError {
  constructor(
    message: string,
    hint = 'use a smaller batch, a smaller model or an adapter with more memory',
    readonly need?: MemoryNeed,
  ) {
    super(message, hint);
  }
}
