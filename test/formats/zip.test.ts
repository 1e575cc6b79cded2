import { expect, test } from 'vitest';
import { ZipArchive } from '../../formats/zip.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { writeZip } from '../helpers/torchFixtures.js';

const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251);
const files = new Map([
  ['top/a', content],
  ['top/empty', new Uint8Array(0)],
]);
const open = (archive: Uint8Array) => ZipArchive.open(memoryPlatform({ z: archive }), 'z');

test.each([{}, { deflate: true }, { wide: true }, { wide: true, deflate: true }])(
  'entries come back whole and in part: %o',
  async (options) => {
    const zip = await open(writeZip(files, options));
    expect([...zip.entries.keys()]).toEqual(['top/a', 'top/empty']);
    const entry = zip.entries.get('top/a')!;
    expect(await zip.read(entry)).toEqual(content);
    expect(await zip.readRange(entry, 100, 50)).toEqual(content.subarray(100, 150));
    expect((await zip.read(zip.entries.get('top/empty')!)).length).toBe(0);
    await expect(zip.readRange(entry, 4999, 2)).rejects.toThrow('shorter than its use');
  },
);

test('a part is read only from an entry that is whole, which is compared once', async () => {
  const plain = writeZip(files);
  const damaged = plain.slice();
  damaged[4000]! ^= 4;
  const zip = await open(damaged);
  for (let i = 0; i < 2; i++)
    await expect(zip.readRange(zip.entries.get('top/a')!, 100, 50)).rejects.toThrow(
      'checksum of "top/a" is wrong',
    );
  const platform = memoryPlatform({ z: plain });
  let read = 0;
  const counting = {
    ...platform,
    read: async (...given: Parameters<typeof platform.read>) => {
      const bytes = await platform.read(...given);
      read += bytes.length;
      return bytes;
    },
  };
  const whole = await ZipArchive.open(counting, 'z');
  read = 0;
  for (let i = 0; i < 3; i++) await whole.readRange(whole.entries.get('top/a')!, 100, 50);
  // The local header and all of it once, and three parts.
  expect(read).toBe(30 + 5000 + 3 * 50);
});

test('a comment after the end record', async () => {
  const plain = writeZip(files);
  const commented = new Uint8Array(plain.length + 7);
  commented.set(plain);
  commented[plain.length - 2] = 7;
  expect((await open(commented)).entries.size).toBe(2);
});

test('damage is named', async () => {
  const plain = writeZip(files);
  const changed = (at: number, value: number, archive = plain) => {
    const copy = archive.slice();
    copy[at] = value;
    return copy;
  };
  const readAll = async (archive: Uint8Array) => {
    const zip = await open(archive);
    await zip.read(zip.entries.get('top/a')!);
  };
  await expect(readAll(plain.slice(0, -3))).rejects.toThrow('its end, the table of contents, is missing');
  await expect(readAll(changed(0, 0))).rejects.toThrow('"top/a" is not where');
  await expect(readAll(changed(500, content[500]! ^ 1))).rejects.toThrow('checksum of "top/a" is wrong');
  const directory = plain.length - 22 - (46 + 5) - (46 + 9);
  await expect(readAll(changed(directory, 0))).rejects.toThrow('table of contents is damaged');
  await expect(readAll(changed(directory + 8, 1))).rejects.toThrow('is encrypted');
  await expect(readAll(changed(directory + 10, 12))).rejects.toThrow('packed by method 12');
  await expect(readAll(changed(directory + 24, 0))).rejects.toThrow('two sizes');
  const packed = writeZip(files, { deflate: true });
  await expect(readAll(changed(60, packed[60]! ^ 255, packed))).rejects.toThrow(
    /cannot be decompressed|announced/,
  );
  const sum = packed.length - 22 - (46 + 5) - (46 + 9) + 16;
  await expect(readAll(changed(sum, packed[sum]! ^ 1, packed))).rejects.toThrow('cannot be decompressed');
});

test('more than fits: entries that overlap, and those that unpack to far more than the archive', async () => {
  // Two entries of 4000 bytes in an archive of little more than 5000: the second starts inside the first.
  const two = writeZip(new Map([['a', content.subarray(0, 4000)]]));
  const directory = two.subarray(two.length - 22 - 47, two.length - 22);
  const doubled = Buffer.concat([two.subarray(0, -22), directory, two.subarray(-22)]);
  doubled.write('b', doubled.length - 22 - 1);
  doubled.writeUInt16LE(2, doubled.length - 12);
  doubled.writeUInt32LE(2 * 47, doubled.length - 10);
  await expect(open(Uint8Array.from(doubled))).rejects.toThrow('they overlap');
  const bomb = writeZip(new Map([['a', new Uint8Array(40 * 2 ** 20)]]), { deflate: true });
  await expect(open(bomb)).rejects.toThrow('"a" claims to unpack to 41943040 bytes');
});
