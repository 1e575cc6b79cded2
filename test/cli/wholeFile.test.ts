/** Writes are atomic: whichever call fails, the old file stays and no temporary file is left. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../cli/platform/node.js';
import { OutputError, UserError } from '../../engine/errors.js';
import type { WrittenPiece } from '../../formats/files.js';
import { temporaryFolder } from '../helpers/files.js';
import { CALLS, type Call, type Fault, type Faults, injectFaults } from '../helpers/writeFaults.js';

const root = temporaryFolder('whole-file');
let faults: Faults | undefined;
afterEach(() => faults?.restore());

const fail = (call: Call, fault: Fault, at = 1): Faults => {
  faults = injectFaults((made, n) => (made === call && n === at ? fault : undefined));
  return faults;
};

async function* pieces(...all: WrittenPiece[]): AsyncGenerator<WrittenPiece> {
  yield* all;
}
const bytes = (text: string) => new TextEncoder().encode(text);

describe.each(['write', 'append'] as const)('%s', (how) => {
  const act = (path: string) =>
    how === 'write' ? platform.write(path, 'new\n') : platform.append(path, 'new');

  it.each(
    CALLS.flatMap((call) => (['ENOSPC', 'EIO', 'EACCES'] as const).map((fault) => [call, fault] as const)),
  )('leaves the old file, or the new one, and nothing else: %s fails with %s', async (call, fault) => {
    const folder = join(root, `${how}-${call}-${fault}`);
    mkdirSync(folder);
    const path = join(folder, 'file.txt');
    writeFileSync(path, 'old\n');
    fail(call, fault);
    const error = await act(path).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OutputError);
    expect(error.message).toMatch(`${path} cannot be written: ${fault}`);
    // Only the flush of the folder comes after the rename.
    const expected = call !== 'syncFolder' ? 'old\n' : how === 'write' ? 'new\n' : 'old\nnew\n';
    expect(readFileSync(path, 'utf8')).toBe(expected);
    expect(readdirSync(folder)).toEqual(['file.txt']);
    expect(faults!.hits).toBe(1);
    faults!.restore();
    await act(path);
    expect(readFileSync(path, 'utf8')).toMatch(/new\n$/);
  });
});

it('continues after partial writes, and fails if the disk accepts no bytes or loses some', async () => {
  const path = join(root, 'short.bin');
  const counts = fail('write', 'short').counts;
  await platform.write(path, 'a long text');
  expect(readFileSync(path, 'utf8')).toBe('a long text');
  expect(counts.write).toBe(2);
  faults!.restore();
  fail('write', 'nothing', 1);
  await expect(platform.write(path, 'other')).rejects.toThrow('the disk accepted 0 of 5 bytes');
  faults!.restore();
  // A disk that claims to have written what it has not.
  faults = injectFaults(() => undefined);
  const { files } = await import('../../cli/platform/files.js');
  const { create } = files;
  files.create = async (place) => {
    const file = await create(place);
    return { ...file, write: async (data, at) => (await file.write(data.subarray(1), at)) + 1 };
  };
  await expect(platform.write(path, 'other')).rejects.toThrow('the disk stored 4 of 5 bytes');
  expect(readFileSync(path, 'utf8')).toBe('a long text');
  expect(readdirSync(root).filter((name) => name.startsWith('short'))).toEqual(['short.bin']);
});

it('flushes the file, its folder and new parents', async () => {
  const synced: string[] = [];
  faults = injectFaults((call, _, path) => {
    if (call === 'sync') synced.push('file');
    if (call === 'rename') synced.push('renamed');
    if (call === 'syncFolder') synced.push(path);
    return undefined;
  });
  await platform.write(join(root, 'new/er/file'), 'x');
  const [file, renamed, ...others] = synced.filter((what) => !what.startsWith(root));
  expect([file, renamed, others]).toEqual(['file', 'renamed', []]);
  expect(synced.map((what) => what.replace(root, 'ROOT'))).toEqual([
    'ROOT/new',
    'ROOT',
    'file',
    'renamed',
    'ROOT/new/er',
  ]);
});

it('lets patches overwrite earlier pieces', async () => {
  const path = join(root, 'patched');
  await platform.write(path, pieces(bytes('....'), bytes('tail'), { at: 1, bytes: bytes('ab') }, bytes('!')));
  expect(readFileSync(path, 'utf8')).toBe('.ab.tail!');
  await expect(platform.write(path, pieces(bytes('..'), { at: 1, bytes: bytes('abc') }))).rejects.toThrow(
    'a patch reaches beyond',
  );
  expect(readFileSync(path, 'utf8')).toBe('.ab.tail!');
});

it('passes on errors of its source', async () => {
  const source = async function* (error: Error): AsyncGenerator<Uint8Array> {
    yield bytes('x');
    throw error;
  };
  for (const error of [new UserError('broken source', 'hint'), new Error('a bug')])
    await expect(platform.write(join(root, 'source'), source(error))).rejects.toBe(error);
  expect(readdirSync(root).filter((name) => name.startsWith('source'))).toEqual([]);
});

it('follows links, and only replaces files', async () => {
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(root, 'elsewhere/file'), 'old');
  symlinkSync(join(root, 'elsewhere/file'), join(root, 'link'));
  await platform.write(join(root, 'link'), 'new');
  expect(readlinkSync(join(root, 'link'))).toBe(join(root, 'elsewhere/file'));
  expect(readFileSync(join(root, 'elsewhere/file'), 'utf8')).toBe('new');
  expect(readdirSync(join(root, 'elsewhere'))).toEqual(['file']);
  await expect(platform.write('/dev/null', 'x')).rejects.toThrow(
    '/dev/null cannot be written: it is not a regular file',
  );
  await expect(platform.write(root, 'x')).rejects.toThrow('cannot be written: it is a folder');
});

it('removes the leftovers of killed processes, and nothing else', async () => {
  const folder = join(root, 'leftovers');
  const names = ['a.tmp', 'a.0123456789ab.tmp', 'x.bin.ffffffffffff.tmp', 'a.0123456789ab.tmpx', 'tmp'];
  mkdirSync(join(folder, 'deeper'), { recursive: true });
  for (const name of [...names, 'deeper/a.0123456789ab.tmp']) writeFileSync(join(folder, name), '');
  let during: string[] = [];
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes('x');
    during = await platform.removeLeftovers!(folder);
  };
  await platform.write(join(folder, 'now'), source());
  expect(during.sort()).toEqual(['a.0123456789ab.tmp', 'x.bin.ffffffffffff.tmp']);
  expect(readFileSync(join(folder, 'now'), 'utf8')).toBe('x');
  expect(readdirSync(folder)).toEqual(['a.0123456789ab.tmpx', 'a.tmp', 'deeper', 'now', 'tmp']);
  expect(existsSync(join(folder, 'deeper/a.0123456789ab.tmp'))).toBe(true);
  expect(await platform.removeLeftovers!(join(root, 'no folder'))).toEqual([]);
});
