import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodePlatform as platform } from '../../cli/platform/node.js';
import { crc32 } from '../../formats/crc32.js';
import { TestRandom } from '../helpers/check.js';
import { temporaryFolder } from '../helpers/files.js';

const path = join(temporaryFolder('read-summed'), 'values.bin');

it('sums what it reads, of any length and from anywhere', async () => {
  const piece = 2 ** 21;
  const content = new TestRandom(1).array(piece / 2 + 64);
  const bytes = new Uint8Array(content.buffer);
  writeFileSync(path, bytes);
  for (const [offset, length] of [
    [0, bytes.length],
    [0, piece],
    [1, piece - 1],
    [3, piece + 1],
    [bytes.length - 1, 1],
    [7, 0],
  ] as const) {
    const expected = bytes.subarray(offset, offset + length);
    const found = await platform.readSummed!(path, offset, length);
    expect(Buffer.compare(found.bytes, expected)).toBe(0);
    expect(found.crc32).toBe(crc32(expected));
  }
  await expect(platform.readSummed!(path, 4, bytes.length)).rejects.toThrow(/too few/);
});
