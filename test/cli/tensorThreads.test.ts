/** Float32 weights rounded by threads: the same bits and the same errors as without threads. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { readHalvesInThread } from '../../cli/platform/tensorThreads.js';
import { toHalf } from '../../engine/half.js';
import { encodeSafetensors, openSafetensors } from '../../formats/safetensors.js';
import type { Platform } from '../../models/platform.js';
import { TestRandom } from '../helpers/check.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('halves');
/** The compiled worker, as users run it. */
const script = fileURLToPath(new URL('../../dist/cli/platform/tensorWorker.js', import.meta.url));
const platform: Platform = {
  ...nodePlatform,
  readHalves: (path, offset, count, sum = false) =>
    readHalvesInThread({ path, offset, length: 4 * count, sum }, script),
};
const random = new TestRandom(3);
const path = join(folder, 'model.safetensors');
const large = random.array(90_000);
const small = random.array(12, 1e-5);
writeFileSync(
  path,
  encodeSafetensors([
    { name: 'large', dtype: 'F32', shape: [300, 300], data: large },
    { name: 'small', dtype: 'F32', shape: [3, 4], data: small },
    { name: 'none', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
    { name: 'too large', dtype: 'F32', shape: [2], data: Float32Array.of(3, -1e6) },
    { name: 'half', dtype: 'F16', shape: [2], data: Float32Array.of(1, 2) },
  ]),
);

it.each<[string, Platform]>([
  ['in threads', platform],
  ['without them', nodePlatform],
])('rounds as the library of numbers does, %s', async (_, { ...platform }) => {
  const { tensors } = await openSafetensors(platform, path);
  // Several at once, with a small tensor after a large one whose memory is reused.
  const read = await Promise.all(
    ['large', 'small', 'large', 'none', 'half'].map((name) => tensors.get(name)!.readHalf()),
  );
  expect(read).toEqual([large, small, large, [], [1, 2]].map((values) => toHalf(Float32Array.from(values))));
  await expect(tensors.get('too large')!.readHalf()).rejects.toThrow(
    'tensor "too large" holds -1000000, and float16 ends at 65504',
  );
});

it('reports a bad file like any other reader', async () => {
  await expect(readHalvesInThread({ path, offset: 0, length: 2 ** 22, sum: false }, script)).rejects.toThrow(
    'ends too early',
  );
  await expect(nodePlatform.readHalves!(path, 0, 2 ** 20)).rejects.toThrow(
    /model\.safetensors cannot be read/,
  );
  await expect(nodePlatform.readHalves!(join(folder, 'none'), 0, 1)).rejects.toThrow('does not exist');
});

it.each<[string, Platform]>([
  ['in threads', platform],
  ['without them', nodePlatform],
  [
    'by a platform that does not sum',
    {
      ...nodePlatform,
      readHalves: (...given) => nodePlatform.readHalves!(...(given.slice(0, 3) as [string, number, number])),
    },
  ],
])('notices a flipped bit, %s', async (_, platform) => {
  const bytes = readFileSync(path);
  const damaged = join(folder, 'damaged.safetensors');
  // In the last large value; large tensors follow the small ones.
  const at = bytes.indexOf(Buffer.from(large.slice(-1).buffer));
  bytes[at]! ^= 1;
  writeFileSync(damaged, bytes);
  const { tensors } = await openSafetensors(platform, damaged);
  for (const read of ['readHalf', 'read'] as const)
    await expect(tensors.get('large')![read]()).rejects.toThrow('the checksum of tensor "large" is wrong');
  expect(await tensors.get('small')!.readHalf()).toEqual(toHalf(small));
});
