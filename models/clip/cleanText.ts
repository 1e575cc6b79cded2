/** OpenAI's cleaning of a text before it is tokenised (github.com/openai/CLIP, clip/simple_tokenizer.py). */
import { decodeEntity } from 'html-entities';

/** Python's `str.strip` also takes the four separators, which its regular expressions do not count as space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters in question
const OUTER_SPACE = /^[\p{White_Space}\x1c-\x1f]+|[\p{White_Space}\x1c-\x1f]+$/gu;

/** OpenAI's `whitespace_clean(basic_clean(text)).lower()`, with NFC in place of ftfy. */
export function cleanText(text: string): string {
  return unescapeHtml(unescapeHtml(text.normalize('NFC')))
    .replace(OUTER_SPACE, '')
    .replace(/\p{White_Space}+/gu, ' ')
    .replace(OUTER_SPACE, '')
    .toLowerCase();
}

/** Python's `html.unescape`: semicolons are optional, the longest known name at the start counts. */
function unescapeHtml(text: string): string {
  return text.replace(
    /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu,
    (whole, entity: string) => {
      if (entity.startsWith('#')) return numericEntity(entity.slice(1).replace(';', ''));
      for (let length = entity.length; length > 1; length--) {
        const known = namedEntity(entity.slice(0, length));
        if (known !== undefined) return known + entity.slice(length);
      }
      return whole;
    },
  );
}

function namedEntity(name: string): string | undefined {
  // HTML 4 had other angle brackets for these two, which html-entities keeps.
  if (name === 'lang;' || name === 'rang;') return name === 'lang;' ? '\u27e8' : '\u27e9';
  const decoded = decodeEntity(`&${name}`, { level: 'html5' });
  return decoded === `&${name}` ? undefined : decoded;
}

/** Code points that HTML forbids: C1 controls are read as Windows-1252, the rest vanishes (as in Python). */
function numericEntity(digits: string): string {
  const code = /^[xX]/.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10);
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return decodeEntity(`&#${code};`);
  const isControl = code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  const isNonCharacter = (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  return isControl || code === 0x7f || isNonCharacter ? '' : String.fromCodePoint(code);
}
