/** Class names in a template, as token sequences. */
import { UserError } from '../../engine/errors.js';
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
  return classNames.map((name) => {
    const text = fillTemplate(template, name);
    // Start and end of text take a place each.
    const length = tokenizer.encode(text).length + 2;
    if (length > contextLength)
      throw new UserError(
        `the class name "${name}" is too long: "${text}" has ${length} tokens with start and end, but the context has ${contextLength}`,
        'shorten the class name',
      );
    return tokenizer.tokenize(text, contextLength);
  });
}
