/** Captions: an emoji's name or its class in a template, as tokens of one length. */

import { UserError } from '../../engine/index.js';
import { fillTemplate } from '../../models/clip/templates.js';
import { endOfText } from '../../models/clip/text.js';
import type { Tokenizer } from '../../models/clip/tokenizer.js';

/** What a caption says; `{}` is the name or the class. */
export const TEMPLATES = [
  'a photo of a {}.',
  'an emoji of a {}.',
  'a picture of a {}.',
  'a drawing of a {}.',
  '{}',
] as const;

/** Icons are called `hot-beverage` or `face-with-tears`; captions have spaces. */
export const spoken = (icon: string): string => icon.replaceAll('-', ' ');

/** Tokens of the longest caption that is used, start and end included: a few long names would double the work on text. */
const LONGEST = 16;

/** Token sequences of everything that a caption can say, each tokenised once. */
export class Captions {
  /** Tokens of the longest caption; attention is causal, so nothing behind its end of text matters. */
  readonly length: number;
  private readonly sequences = new Map<string, readonly Int32Array[]>();

  /**
   * @param subjects names and classes, as they are to be spoken; those that make long captions are left out
   * @throws UserError when none is left
   */
  constructor(tokenizer: Tokenizer, subjects: Iterable<string>, longest = LONGEST) {
    for (const subject of subjects) {
      const texts = TEMPLATES.map((template) => fillTemplate(template, subject));
      if (texts.every((text) => tokenizer.encode(text).length + 2 <= longest))
        this.sequences.set(
          subject,
          texts.map((text) => tokenizer.tokenize(text, longest)),
        );
    }
    if (this.sequences.size === 0)
      throw new UserError(`every caption is longer than ${longest} tokens`, 'give shorter names');
    const ends = [...this.sequences.values()].flatMap((rows) => rows.map(endOfText));
    this.length = Math.max(...ends) + 1;
  }

  /** Whether there is a caption that says this. */
  has(subject: string): boolean {
    return this.sequences.has(subject);
  }

  /** Tokens `[length]` of the subject in template number `template`. */
  tokens(subject: string, template: number): Int32Array {
    return this.sequences.get(subject)![template]!.subarray(0, this.length);
  }
}
