/** Captions: an emoji's name or its class in a template, as tokens of one length. */

import { fillTemplate } from '../../models/clip/templates.js';
import { endOfText } from '../../models/clip/text.js';
import type { Tokenizer } from '../../models/clip/tokenizer.js';

export const TEMPLATES = [
  'a photo of a {}.',
  'an emoji of a {}.',
  'a picture of a {}.',
  'a drawing of a {}.',
  '{}',
] as const;

/** Icons are called `hot-beverage` or `face-with-tears`; captions have spaces. */
export const spoken = (icon: string): string => icon.replaceAll('-', ' ');

/** Token sequences of everything that a caption can say, each tokenised once. */
export class Captions {
  /** Tokens of the longest caption; attention is causal, so nothing behind its end of text matters. */
  readonly length: number;
  private readonly sequences = new Map<string, readonly Int32Array[]>();

  /**
   * @param subjects names and classes, as they are to be spoken
   * @throws UserError naming a caption that is longer than the context
   */
  constructor(tokenizer: Tokenizer, subjects: Iterable<string>, contextLength: number) {
    for (const subject of subjects)
      this.sequences.set(
        subject,
        TEMPLATES.map((template) => tokenizer.tokenize(fillTemplate(template, subject), contextLength)),
      );
    const ends = [...this.sequences.values()].flatMap((rows) => rows.map(endOfText));
    this.length = Math.max(...ends) + 1;
  }

  /** Tokens `[length]` of the subject in template number `template`. */
  tokens(subject: string, template: number): Int32Array {
    return this.sequences.get(subject)![template]!.subarray(0, this.length);
  }
}
