/** Checksums in the files that we write: every flipped bit is noticed or without effect. */
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { crc32, crc32Of, crc32OfRange } from '../../formats/crc32.js';
import { openByContent } from '../../formats/openByContent.js';
import { pytorchCheckpoint } from '../../formats/pytorch/pytorchWriter.js';
import { encodeSafetensors, openSafetensors, streamSafetensors } from '../../formats/safetensors.js';
import type { WritableTensor } from '../../formats/writable.js';
import { bytesOf } from '../helpers/files.js';
import { tryFlips } from '../helpers/flips.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { unsealed, withHeader } from '../helpers/safetensors.js';
import { tensorOf } from '../helpers/tinyClip.js';
import { halfBytes } from '../helpers/torchFixtures.js';

const PATH = 'm.safetensors';
const metadata = { kind: 'promptkd test', a: 'first', template: 'a photo of a {}.' };
const shapes: [string, number[]][] = [
  ['one', [3, 5]],
  ['empty', [0, 4]],
  ['two', [7]],
  ['scalar', []],
];
const encoded = encodeSafetensors(
  [
    ...shapes.map(([name, shape]) => ({ ...tensorOf(name, shape), dtype: 'F32' as const })),
    { ...tensorOf('half', [6]), dtype: 'F16' as const },
    { name: 'ids', dtype: 'U8' as const, shape: [3], data: Uint8Array.of(1, 2, 3) },
  ],
  metadata,
);
const writables: WritableTensor[] = [
  ...shapes.map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    bytes: async () => new Uint8Array(tensorOf(name, shape).data.buffer),
  })),
  { name: 'half', dtype: 'F16', shape: [6], bytes: async () => halfBytes(tensorOf('half', [6]).data) },
];

const platformOf = (file: Uint8Array) => memoryPlatform({ [PATH]: file });
const open = (file: Uint8Array) => openSafetensors(platformOf(file), PATH);

/** Everything that a reader can see. */
async function readAll(file: Uint8Array, path = PATH): Promise<unknown> {
  const { tensors, metadata } = await openByContent(memoryPlatform({ [path]: file }), path);
  const found = [];
  for (const [name, tensor] of tensors) found.push([name, tensor.dtype, tensor.shape, await tensor.read()]);
  return [found, metadata];
}

describe('CRC-32', () => {
  it('has the published check value, and goes on from parts', async () => {
    const bytes = new TextEncoder().encode('123456789');
    expect(crc32(bytes)).toBe(0xcbf43926);
    const long = Uint8Array.from({ length: 1003 }, (_, i) => (i * i * 7) & 255);
    for (const cut of [0, 1, 7, 8, 500, 1003])
      expect(crc32(long.subarray(cut), crc32(long.subarray(0, cut)))).toBe(crc32(long));
    expect(await crc32OfRange(platformOf(long), PATH, 3, 900)).toBe(crc32(long.subarray(3, 903)));
    expect(crc32Of(nodePlatform)(long)).toBe(crc32(long));
    expect(crc32Of(nodePlatform)(long.subarray(9), crc32(long.subarray(0, 9)))).toBe(crc32(long));
  });
});

describe('the checksum of a file', () => {
  it('is the first entry of its metadata, of known digits, and not handed on', async () => {
    const text = new TextDecoder().decode(encoded);
    expect(text).toMatch(
      /^.{8}\{"__metadata__":\{"checksum":"crc32:[0-9a-f]{8}( [0-9a-f]{8}){6}","a":"first",/s,
    );
    const { metadata: read } = await open(encoded);
    expect(read).toEqual(metadata);
    // In the order of the file: the empty tensor's sum is 0.
    const sums = /crc32:([0-9a-f ]+)/.exec(text)![1]!.split(' ');
    expect(sums[1]).toBe('00000000');
    expect(sums[2]).toBe(
      crc32(new Uint8Array(tensorOf('one', [3, 5]).data.buffer))
        .toString(16)
        .padStart(8, '0'),
    );
  });

  it('is the same whether a file is written at once or in pieces', async () => {
    const same = writables.map(({ name, dtype, shape }) => ({ ...tensorOf(name, [...shape]), dtype }));
    expect(await bytesOf(streamSafetensors(writables, metadata))).toEqual(
      encodeSafetensors(same as never, metadata),
    );
    const summed = await bytesOf(streamSafetensors(writables, metadata, nodePlatform.crc32));
    expect(summed).toEqual(encodeSafetensors(same as never, metadata));
  });

  it('is missing in files of others, which are read as before', async () => {
    const plain = unsealed(encoded);
    expect(new TextDecoder().decode(plain)).not.toContain('checksum');
    expect(await readAll(plain)).toEqual(await readAll(encoded));
    // Another program's own entry of that name.
    const other = withHeader(encoded, (header) => {
      (header.__metadata__ as unknown as Record<string, string>).checksum = 'sha256:abc';
    });
    expect((await open(other)).metadata.checksum).toBe('sha256:abc');
  });

  it('names what is wrong', async () => {
    const flip = (text: string, offset: number) => {
      const copy = Uint8Array.from(encoded);
      copy[Buffer.from(copy).indexOf(text) + offset]! ^= 1;
      return copy;
    };
    await expect(open(flip('a photo', 2))).rejects.toThrow(`${PATH}: the checksum of its header is wrong`);
    await expect(open(flip('crc32:', 6))).rejects.toThrow(/checksum/);
    await expect(open(flip('"checksum', 3))).rejects.toThrow('the name of its checksum is damaged');
    // Name and beginning at once: it is still no file of another program.
    const both = flip('"checksum', 4);
    both.set(new TextEncoder().encode('xx'), Buffer.from(both).indexOf('crc32:') + 3);
    both.set(new TextEncoder().encode('Y'), Buffer.from(both).indexOf('a photo'));
    await expect(open(both)).rejects.toThrow('the name of its checksum is damaged');
    const data = Uint8Array.from(encoded);
    data[data.length - 1]! ^= 128;
    const { tensors } = await open(data);
    await expect(tensors.get('ids')!.readInts()).rejects.toThrow('the checksum of tensor "ids" is wrong');
    expect(await tensors.get('one')!.read()).toEqual(tensorOf('one', [3, 5]).data);
  });

  it('is compared before rows are read, too, and then no more', async () => {
    const at = Buffer.from(encoded).indexOf(Buffer.from(tensorOf('one', [3, 5]).data.buffer));
    const file = Uint8Array.from(encoded);
    file[at + 50]! ^= 1;
    const { tensors } = await open(file);
    await expect(tensors.get('one')!.readRows!(0, 1)).rejects.toThrow(
      'the checksum of tensor "one" is wrong',
    );
    let read = 0;
    const platform = platformOf(encoded);
    const counting = {
      ...platform,
      read: (...given: Parameters<typeof platform.read>) => {
        read++;
        return platform.read(...given);
      },
    };
    const one = (await openSafetensors(counting, PATH)).tensors.get('one')!;
    read = 0;
    const rows = await Promise.all([one.readRows!(0, 1), one.readRows!(2, 1), one.readRows!(1, 0)]);
    expect(rows.flatMap((row) => [...row])).toEqual([
      ...tensorOf('one', [3, 5]).data.subarray(0, 5),
      ...tensorOf('one', [3, 5]).data.subarray(10),
    ]);
    expect(read).toBe(3);
  });
});

describe('1,000 flipped bits', () => {
  it('of a safetensors file are noticed', async () => {
    for (const file of [encoded, await bytesOf(streamSafetensors(writables))]) {
      const { noticed, silent, crashed } = await tryFlips(file, readAll);
      expect({ noticed, silent, crashed }).toEqual({ noticed: 1000, silent: [], crashed: [] });
    }
  });

  it('of its header alone are noticed', async () => {
    const to = 8 + new DataView(encoded.buffer).getUint32(0, true);
    const { noticed, silent, crashed } = await tryFlips(encoded, readAll, { to });
    expect({ noticed, silent, crashed }).toEqual({ noticed: 1000, silent: [], crashed: [] });
  });

  it('of a PyTorch file are noticed, or lie where nothing is read', async () => {
    const file = await bytesOf(pytorchCheckpoint(writables, { epoch: 3, ...metadata }));
    const read = (bytes: Uint8Array) => readAll(bytes, 'm.pth');
    const { noticed, harmless, silent, crashed } = await tryFlips(file, read);
    expect({ silent, crashed }).toEqual({ silent: [], crashed: [] });
    expect(noticed + harmless).toBe(1000);
    expect(noticed).toBeGreaterThan(300);
    // The same of its table of contents, and of what comes before the first data.
    for (const range of [{ from: Buffer.from(file).indexOf('PK\x01\x02') }, { to: 64 }]) {
      const report = await tryFlips(file, read, range);
      expect([report.silent, report.crashed]).toEqual([[], []]);
    }
  });
});

describe('values that are not finite', () => {
  it.each([
    ['F32', Float32Array.of(1, Number.NaN), 1],
    ['F32', Float32Array.of(-Infinity, 1), 0],
    ['F16', Float32Array.of(1, 2, 1e6), 2],
    ['F16', Uint16Array.of(0x3c00, 0x7e01), 1],
  ] as const)('are not written: %s %o', async (dtype, data, index) => {
    const tensor = { name: 'x', dtype, shape: [data.length], data };
    const message = `tensor "x" is not written: its value at index ${index} is not finite`;
    expect(() => encodeSafetensors([tensor])).toThrow(message);
    const raw = data instanceof Uint16Array ? data : dtype === 'F16' ? Uint16Array.of(0, 0, 0x7c00) : data;
    const bytes = async () => new Uint8Array(raw.buffer);
    await expect(bytesOf(streamSafetensors([{ ...tensor, bytes }]))).rejects.toThrow(message);
    await expect(bytesOf(pytorchCheckpoint([{ ...tensor, bytes }], {}))).rejects.toThrow(message);
  });

  it('are those alone', () => {
    const data = Float32Array.of(3.4e38, -3.4e38, 1e-45, -0);
    expect(() => encodeSafetensors([{ name: 'x', dtype: 'F32', shape: [4], data }])).not.toThrow();
    expect(() =>
      encodeSafetensors([{ name: 'x', dtype: 'I32', shape: [1], data: Int32Array.of(-1) }]),
    ).not.toThrow();
  });
});
