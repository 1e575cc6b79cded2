/** Hashes of large files: computed in a thread, cached, and never those of other content. */
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type HashOptions, keptHash } from '../../cli/platform/fileHash.js';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import { temporaryFolder } from '../helpers/files.js';
import { tryFileFlips } from '../helpers/flips.js';

const root = temporaryFolder('file-hash');
/** The compiled thread, as users run it. */
const script = fileURLToPath(new URL('../../dist/cli/platform/hashWorker.js', import.meta.url));
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

function place(name: string) {
  const folder = join(root, name, 'hashes');
  const file = join(root, name, 'model.bin');
  mkdirSync(join(root, name));
  /** Pretends that the file was written an hour ago. */
  const later: HashOptions = { folder, large: 1, script, now: () => Date.now() + 3_600_000 };
  const kept = () => {
    try {
      return readdirSync(folder).map((name) => join(folder, name));
    } catch {
      return [];
    }
  };
  return { file, folder, later, kept };
}

it('caches the hash of a large file and does not read it again', async () => {
  const { file, later, kept } = place('kept');
  writeFileSync(file, 'weights');
  expect(await keptHash(file, later)).toBe(hashOf('weights'));
  const [entry] = kept();
  // A changed cache entry is returned, so the file is not read.
  const fields = openSealedJson(entry!, readFileSync(entry!, 'utf8'));
  writeFileSync(entry!, sealJson({ ...fields, sha256: hashOf('not read') }));
  expect(await keptHash(file, later)).toBe(hashOf('not read'));
});

it('never returns a cached hash with a flipped bit', async () => {
  const { file, later, kept } = place('flipped');
  writeFileSync(file, 'weights');
  await keptHash(file, later);
  // Without a thread for each case, which would be slow.
  const again = () => keptHash(file, { ...later, script: join(root, 'none.js') });
  const { silent, crashed } = await tryFileFlips(kept()[0]!, again, { count: 300 });
  expect([silent, crashed]).toEqual([[], []]);
});

it('does not cache the hash of a small file, or of one that was just written', async () => {
  const { file, later, kept } = place('not kept');
  writeFileSync(file, 'weights');
  expect(await keptHash(file, { ...later, large: 100 })).toBe(hashOf('weights'));
  expect(await keptHash(file, { ...later, now: Date.now })).toBe(hashOf('weights'));
  expect(kept()).toEqual([]);
});

it('hashes again if the content changes, even with the same size, path and time', async () => {
  const { file, later } = place('changed');
  writeFileSync(file, 'weights');
  const { atime, mtime } = statSync(file);
  await keptHash(file, later);
  writeFileSync(file, 'WEIGHTS');
  utimesSync(file, atime, mtime);
  expect(await keptHash(file, later)).toBe(hashOf('WEIGHTS'));
  writeFileSync(`${file}.new`, 'replaced');
  renameSync(`${file}.new`, file);
  expect(await keptHash(file, later)).toBe(hashOf('replaced'));
});

it('ignores a damaged cache, and works without one', async () => {
  const { file, folder, later, kept } = place('damaged');
  writeFileSync(file, 'weights');
  await keptHash(file, later);
  for (const text of ['', '{', '{}', 'null', JSON.stringify({ path: file, sha256: 'x' })]) {
    writeFileSync(kept()[0]!, text);
    expect(await keptHash(file, later)).toBe(hashOf('weights'));
  }
  writeFileSync(join(folder, 'a file'), '');
  expect(await keptHash(file, { ...later, folder: join(folder, 'a file') })).toBe(hashOf('weights'));
});

it('hashes in the main thread without a compiled one, and fails like the file', async () => {
  const { file, later, kept } = place('alone');
  writeFileSync(file, 'weights');
  expect(await keptHash(file, { ...later, script: join(root, 'none.js') })).toBe(hashOf('weights'));
  expect(kept().length).toBe(1);
  await expect(keptHash(join(root, 'nothing'), later)).rejects.toThrow('ENOENT');
  mkdirSync(join(root, 'folder'));
  await expect(keptHash(join(root, 'folder'), later)).rejects.toThrow('EISDIR');
});
