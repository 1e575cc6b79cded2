/** Class names in a template, as token sequences. */
import { UserError } from '../../engine/index.js';
import { readable } from '../fileErrors.js';
import { fillTemplate } from './templates.js';
import { MAX_TEXT, type Tokenizer } from './tokenizer.js';

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
    const tooLong = (tokens: number | string) =>
      new UserError(
        readable(
          `the class name "${shortened(name)}" is too long: "${shortened(text)}" has ${tokens} tokens with start and end, but the context has ${contextLength}`,
        ),
        'shorten the class name',
      );
    if (text.length > MAX_TEXT) throw tooLong('far more');
    // Start and end of text take a place each.
    const length = tokenizer.encode(text).length + 2;
    if (length > contextLength) throw tooLong(length);
    return tokenizer.tokenize(text, contextLength);
  });
}

const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}...` : text);
