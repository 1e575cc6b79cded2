/** Wrappers of fine-tuning code save a CLIP under a name of their own: `clip_model.`, `module.model.`, `net.encoder.` ... */
import type { UserError } from '../../engine/index.js';

/** Keys that every CLIP with an image encoder has, in any of the namings of keys.ts; what is before them is a wrapper's. */
const MARKS = [
  /^(.*\.)?visual\.(?:conv1\.weight|class_embedding|proj)$/,
  /^(.*\.)?visual\.(?:attnpool|layer\d|trunk)\./,
  /^(.*\.)?vision_model\.embeddings\.(?:patch_embedding\.weight|class_embedding)$/,
  /^(.*\.)?image_encoder\.(?:conv1\.weight|class_embedding)$/,
];

/** Learned prompts change what a CLIP says, so leaving them out would give another model without a word. */
const PROMPTS = /prompt|ctx|vpt|(^|\.)lora|adapter/i;

/**
 * The prefix under which a CLIP lies among keys, empty or with its dot, and a note of what a user should know of it. A leading
 * `module.` of DataParallel counts as a part of it.
 *
 * @throws what `fail` makes of several CLIPs, or of something learned that would be lost
 */
export function clipPrefix(
  keys: readonly string[],
  fail: (problem: string) => UserError,
): { prefix: string; note?: string } {
  const prefixes = new Set<string>();
  for (const key of keys) {
    const found = MARKS.map((mark) => mark.exec(key)).find((match) => match);
    if (found) prefixes.add(found[1] ?? '');
  }
  if (prefixes.has('') || prefixes.size === 0) return { prefix: '' };
  const [prefix] = prefixes;
  if (prefixes.size > 1)
    throw fail(
      `it holds ${prefixes.size} CLIPs, under ${[...prefixes].map((name) => `"${name}"`).join(', ')}`,
    );
  const beside = keys.filter((key) => !key.startsWith(prefix!));
  const learned = beside.find((key) => PROMPTS.test(key));
  if (learned !== undefined)
    throw fail(`beside the CLIP under "${prefix}" it has "${learned}", which is learned and would be lost`);
  return { prefix: prefix!, note: prefixNote(prefix!, beside) };
}

function prefixNote(prefix: string, beside: readonly string[]): string {
  const some = beside.slice(0, 3).map((key) => `"${key}"`);
  const more = beside.length > some.length ? ', ...' : '';
  const ignored =
    beside.length === 0
      ? ''
      : `; ${beside.length} ${beside.length === 1 ? 'tensor' : 'tensors'} beside it ignored: ${some.join(', ')}${more}`;
  return `its names begin with "${prefix}", which is taken off${ignored}`;
}
