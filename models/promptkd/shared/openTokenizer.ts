/** Finds the tokenizer of a model. */
import type { Tokenizer } from '../../clip/tokenizer.js';
import { loadTokenizer } from '../../clip/tokenizerFile.js';
import type { Platform } from '../../platform.js';

/** The tokenizer given, or the one in the folder of the checkpoint `clip` (a folder or a file). */
export async function openTokenizer(
  platform: Platform,
  { clip, tokenizer }: { clip: string; tokenizer?: string },
): Promise<Tokenizer> {
  if (tokenizer !== undefined) return loadTokenizer(platform, tokenizer);
  const isFile = (await platform.stat(clip))?.kind === 'file';
  return loadTokenizer(platform, isFile ? platform.join(clip, '..') : clip);
}
