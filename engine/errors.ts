/**
 * A mistake in what the user gave (a file, a setting, a shape), as opposed to a bug of ours.
 * The command line prints it without a stack trace and exits with code 2.
 *
 * @param message what is wrong, naming the file and the field
 * @param mend what the user can do about it
 */
export class UserError extends Error {
  readonly mend: string;
  constructor(message: string, mend: string) {
    super(message);
    this.name = 'UserError';
    this.mend = mend;
  }
}

/** A file that cannot be written: nobody's mistake in the input, so the command line exits with code 1. */
export class OutputError extends UserError {
  constructor(message: string, mend: string, options?: { readonly cause?: unknown }) {
    super(message, mend);
    this.name = 'OutputError';
    if (options) this.cause = options.cause;
  }
}
