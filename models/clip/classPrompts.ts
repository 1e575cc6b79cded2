/** Class names in a template, as token sequences. */
import { fillTemplate } from './templates.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * One padded sequence a class, `[contextLength]` each.
 *
 * @param template with `{}` where the class name goes
 * @throws UserError naming the class whose prompt is too long for the model
 */
export function tokenizeClasses(
  tokenizer: Tokenizer,
  template: string,
  classNames: readonly string[],
  contextLength: number,
): Int32Array[] {
  return classNames.map((className) =>
    tokenizer.tokenize(fillTemplate(template, className), contextLength, { className }),
  );
}
