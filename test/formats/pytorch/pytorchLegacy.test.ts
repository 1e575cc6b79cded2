import { expect, test } from 'vitest';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { memoryPlatform } from '../../helpers/memoryPlatform.js';
import { tinyClip } from '../../helpers/tinyClip.js';
import { writeLegacyTorch } from '../../helpers/torchFixtures.js';

const whole = writeLegacyTorch(tinyClip());
const load = (file: Uint8Array) => loadCheckpoint(memoryPlatform({ m: file }), 'm');
/** A copy with bytes replaced where `find` first is. */
function changed(find: string, replace: string): Uint8Array {
  const copy = Buffer.from(whole);
  const at = copy.indexOf(find, 0, 'latin1');
  expect(at).toBeGreaterThan(0);
  copy.write(replace, at, 'latin1');
  return Uint8Array.from(copy);
}

test('the form before 1.6 holds the same tensors', async () => {
  const { format, tensors } = await load(whole);
  expect(format).toBe('PyTorch state dict of the form before 1.6, OpenAI names');
  const [first] = tinyClip();
  expect([...(await tensors.get(first!.name)!.read())]).toEqual([...first!.data]);
  expect(tensors.size).toBe(tinyClip().length);
});

test('damage is named', async () => {
  await expect(load(whole.slice(0, -1))).rejects.toThrow(/m: the storage "\d+" is cut off/);
  // The pickled version, 1001, and the flag of the machine's byte order.
  await expect(load(changed('J\xe9\x03', 'J\xe8\x03'))).rejects.toThrow('is of the version 1000');
  await expect(load(changed('little_endian\x88', 'little_endian\x89'))).rejects.toThrow('big-endian');
  // The storages fill the end of the file, each behind its length.
  const stored = tinyClip().reduce((sum, { data }) => sum + 8 + 2 * data.length, 0);
  const length = whole.length - stored;
  const longer = whole.slice();
  longer[length]! ^= 1;
  await expect(load(longer)).rejects.toThrow(/the storage "0" has \d+ numbers instead of \d+/);
});
