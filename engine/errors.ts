/**
 * A mistake in the input (a file, a setting, a shape), as opposed to a bug.
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

/** A file that cannot be written. The input is not at fault, so the command line exits with code 1. */
export class OutputError extends UserError {
  constructor(message: string, hint: string, options?: { readonly cause?: unknown }) {
    super(message, hint);
    this.name = 'OutputError';
    if (options) this.cause = options.cause;
  }
}

/** Memory in bytes that was needed and available when an allocation failed. */
export interface MemoryNeed {
  /** Total on the device, including what was allocated before. */
  readonly needed: number;
  /** Of that, what could be allocated. */
  readonly available: number;
  /** The largest buffer that the adapter allows, if that was the limit. */
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
