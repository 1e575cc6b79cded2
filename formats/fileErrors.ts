/** Errors about what is in a user's file. */
import { UserError } from '../engine/index.js';

/** The hint for a file that is not as its format demands. */
const COPY_AGAIN = 'the file is damaged or incomplete: copy or download it again';

/**
 * An error about a file's content.
 *
 * @param problem a clause about the file, such as "its header is cut off"; names from the file in it may hold anything
 */
export function fileError(path: string, problem: string, hint = COPY_AGAIN): UserError {
  return new UserError(`${path}: ${readable(problem)}`, hint);
}

/** A message fit for one line of a terminal: without control characters, and no longer than 400 characters. */
export function readable(message: string): string {
  const clean = message.replace(/\p{Cc}/gu, '?');
  return clean.length > 400 ? `${clean.slice(0, 400)}...` : clean;
}
