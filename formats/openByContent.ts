import { UserError } from '../engine/index.js';
import { fileError } from './fileErrors.js';
import type { Files } from './files.js';
import { openPyTorch } from './pytorch/pytorch.js';
import { isLegacyPyTorch, openLegacyPyTorch } from './pytorch/pytorchLegacy.js';
import { looksLikeSafetensors, openSafetensors } from './safetensors.js';
import { openShards } from './sharded.js';
import type { Checkpoint } from './tensors.js';

/**
 * Opens any checkpoint by its content, whatever it holds.
 *
 * @throws UserError when it is empty, damaged or in no known format
 */
export async function openByContent(files: Files, file: string): Promise<Checkpoint> {
  const size = (await files.stat(file))?.size ?? 0;
  if (size === 0) throw new UserError(`${file} is empty`, 'copy or download it again');
  const head = await files.read(file, 0, Math.min(size, 64));
  const text = String.fromCharCode(...head);
  if (text.startsWith('PK\x03\x04')) return openPyTorch(files, file);
  if (isLegacyPyTorch(head)) return openLegacyPyTorch(files, file);
  if (looksLikeSafetensors(head)) return openSafetensors(files, file);
  if (/^\s*\{/.test(text)) return openShards(files, file, (shard) => openByContent(files, shard));
  if (text.startsWith('version https://git-lfs'))
    throw fileError(
      file,
      'it is a Git LFS pointer, not the file itself',
      'fetch the real file: git lfs pull',
    );
  const problem = /^\s*</.test(text)
    ? 'it is a web page, not a checkpoint'
    : 'it is neither safetensors nor a PyTorch checkpoint';
  throw fileError(file, problem, 'check the path, or copy or download the file again');
}
