import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { crc32 } from '../../formats/crc32.js';
import { describeWithShared, readPreprocessCases, readRawTensors, sharedFolder } from '../helpers/shared.js';

const folder = mkdtempSync(join(tmpdir(), 'promptkd-platform-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

describe('files', () => {
  it('writes whole files, creates folders and leaves no temporary file', async () => {
    await platform.write(at('a/b/file.txt'), 'one');
    await platform.write(at('a/b/file.txt'), 'two');
    await platform.append(at('a/b/log.jsonl'), '{}');
    await platform.append(at('a/b/log.jsonl'), '{"a":1}');
    expect(await platform.readText(at('a/b/file.txt'))).toBe('two');
    expect(readFileSync(at('a/b/log.jsonl'), 'utf8')).toBe('{}\n{"a":1}\n');
    expect(readdirSync(at('a/b'))).toEqual(['file.txt', 'log.jsonl']);
  });

  it('reads ranges and refuses those beyond the end', async () => {
    await platform.write(at('range.bin'), Uint8Array.from([0, 1, 2, 3, 4, 5]));
    expect([...(await platform.read(at('range.bin'), 2, 3))]).toEqual([2, 3, 4]);
    expect([...(await platform.read(at('range.bin'), 4))]).toEqual([4, 5]);
    await expect(platform.read(at('range.bin'), 4, 3)).rejects.toThrow(/range\.bin.*has 6/);
  });

  it('lists in ASCII order without hidden entries', async () => {
    for (const name of ['b.png', 'B.png', '.hidden', 'a.png']) await platform.write(at(`list/${name}`), '');
    await platform.makeFolder(at('list/Z'));
    expect(await platform.list(at('list'))).toEqual([
      { name: 'B.png', kind: 'file' },
      { name: 'Z', kind: 'folder' },
      { name: 'a.png', kind: 'file' },
      { name: 'b.png', kind: 'file' },
    ]);
  });

  it('follows links, and reports broken ones as other', async () => {
    await platform.makeFolder(at('links/folder'));
    await platform.write(at('links/file'), '');
    for (const target of ['folder', 'file', 'nothing'])
      symlinkSync(at(`links/${target}`), at(`links/to ${target}`));
    expect(await platform.list(at('links'))).toEqual([
      { name: 'file', kind: 'file' },
      { name: 'folder', kind: 'folder' },
      { name: 'to file', kind: 'file', link: true },
      { name: 'to folder', kind: 'folder', link: true },
      { name: 'to nothing', kind: 'other', link: true },
    ]);
    expect(await platform.realPath(at('links/to file'))).toBe(await platform.realPath(at('links/file')));
    await expect(platform.realPath(at('links/to nothing'))).rejects.toThrow(/to nothing does not exist/);
  });

  it.skipIf(process.platform === 'win32')('refuses what is not a file before opening it', async () => {
    await platform.makeFolder(at('odd'));
    execFileSync('mkfifo', [at('odd/pipe')]);
    symlinkSync('/dev/zero', at('odd/device'));
    const server = createServer().listen(at('odd/socket'));
    await once(server, 'listening');
    expect((await platform.list(at('odd'))).map(({ name, kind }) => `${name}: ${kind}`)).toEqual([
      'device: other',
      'pipe: other',
      'socket: other',
    ]);
    // Reading a pipe without a writer, or a device without an end, would never return.
    for (const [name, what] of Object.entries({
      pipe: 'pipe',
      device: 'device',
      socket: 'socket',
      '': 'folder',
    }))
      for (const action of [
        () => platform.read(at(`odd/${name}`)),
        () => platform.read(at(`odd/${name}`), 0, 1),
        () => platform.readSummed!(at(`odd/${name}`), 0, 1),
        () => platform.readHalves!(at(`odd/${name}`), 0, 1),
        () => platform.readText(at(`odd/${name}`)),
        () => platform.sha256(at(`odd/${name}`)),
        () => platform.sha256(at(`odd/${name}`), { keep: true }),
        () => platform.decodeImage(at(`odd/${name}`)),
      ])
        await expect(action()).rejects.toSatisfy(
          (e) => e instanceof UserError && e.message.includes(at('odd')) && e.message.includes(what),
        );
    expect((await platform.stat(at('odd/pipe')))?.kind).toBe('other');
    server.close();
  });

  it('reads texts in the encodings of editors and shells', async () => {
    const bytes = (text: string, encoding: BufferEncoding) => Buffer.from(`\ufeff${text}`, encoding);
    writeFileSync(at('utf8.txt'), bytes('Füchse', 'utf8'));
    writeFileSync(at('utf16.txt'), bytes('Füchse', 'utf16le'));
    writeFileSync(at('utf16be.txt'), bytes('Füchse', 'utf16le').swap16());
    for (const name of ['utf8.txt', 'utf16.txt', 'utf16be.txt'])
      expect(await platform.readText(at(name)), name).toBe('Füchse');
  });

  it('names what is missing', async () => {
    expect(await platform.stat(at('nothing'))).toBeUndefined();
    for (const action of [
      () => platform.read(at('nothing')),
      () => platform.list(at('nothing')),
      () => platform.sha256(at('nothing')),
    ])
      await expect(action()).rejects.toSatisfy(
        (e) => e instanceof UserError && e.message.includes(at('nothing')),
      );
  });

  it('hashes and gunzips', async () => {
    await platform.write(at('abc'), 'abc');
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(await platform.sha256(at('abc'))).toBe(abc);
    expect(await platform.sha256Bytes(new TextEncoder().encode('abc'))).toBe(abc);
    expect(new TextDecoder().decode(await platform.gunzip(gzipSync('hello'), 5))).toBe('hello');
    await expect(platform.gunzip(Uint8Array.from([1, 2, 3]), 9)).rejects.toThrow(UserError);
    await expect(platform.gunzip(gzipSync('hello'), 4)).rejects.toThrow('unpacks to more than 4 bytes');
  });
});

describe('decodeImage', () => {
  /** 3 x 2 pixels, every one different. */
  const rgb = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 150, 100, 77, 88, 99]);
  const source = () => sharp(rgb, { raw: { width: 3, height: 2, channels: 3 } });

  it('drops alpha without blending', async () => {
    const rgba = new Uint8Array(24);
    for (let i = 0; i < 6; i++) rgba.set([...rgb.subarray(i * 3, i * 3 + 3), i * 50], i * 4);
    await sharp(rgba, { raw: { width: 3, height: 2, channels: 4 } })
      .png()
      .toFile(at('alpha.png'));
    expect([...(await platform.decodeImage(at('alpha.png'))).data]).toEqual([...rgb]);
  });

  it('ignores orientation and colour profiles', async () => {
    await source().withMetadata({ orientation: 6 }).withIccProfile('p3').png().toFile(at('turned.png'));
    const stored = await sharp(at('turned.png'), { ignoreIcc: true }).raw().toBuffer();
    const image = await platform.decodeImage(at('turned.png'));
    expect([image.width, image.height]).toEqual([3, 2]);
    expect([...image.data]).toEqual([...stored]);
  });

  it('clips 16-bit grey and keeps the high byte of 16-bit colour, as Pillow does', async () => {
    const grey = Uint16Array.from([0, 1, 255, 256, 40000, 65535]);
    await sharp(grey, { raw: { width: 3, height: 2, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(at('grey16.png'));
    const clipped = await platform.decodeImage(at('grey16.png'));
    expect([...clipped.data].filter((_, i) => i % 3 === 0)).toEqual([0, 1, 255, 255, 255, 255]);

    const colour = Uint16Array.from([0, 255, 256, 511, 512, 65535]);
    await sharp(colour, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(at('rgb16.png'));
    expect([...(await platform.decodeImage(at('rgb16.png'))).data]).toEqual([0, 0, 1, 1, 2, 255]);
  });

  it('clips 16-bit grey also if one shade is transparent', async () => {
    // 3 x 1 shades 1, 300 and 40000 of PNG colour type 0, the second one transparent (chunk tRNS).
    const chunk = (type: string, data: number[]) => {
      const body = Buffer.from([...Buffer.from(type, 'latin1'), ...data]);
      const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      size.writeUInt32BE(data.length);
      sum.writeUInt32BE(crc32(body));
      return Buffer.concat([size, body, sum]);
    };
    const row = deflateSync(Uint8Array.from([0, 0, 1, 300 >> 8, 300 & 255, 40000 >> 8, 40000 & 255]));
    const png = Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', [0, 0, 0, 3, 0, 0, 0, 1, 16, 0, 0, 0, 0]),
      chunk('tRNS', [300 >> 8, 300 & 255]),
      chunk('IDAT', [...row]),
      chunk('IEND', []),
    ]);
    writeFileSync(at('grey16-transparent.png'), png);
    const { data } = await platform.decodeImage(at('grey16-transparent.png'));
    expect([...data]).toEqual([1, 1, 1, 255, 255, 255, 255, 255, 255]);
  });

  it('gives transparent pixels of a GIF their palette colour, and fills the canvas around its frame', async () => {
    const palette = [
      [10, 20, 30],
      [40, 50, 60],
      [70, 80, 90],
      [100, 110, 120],
    ];
    // A canvas of 3 x 2 with a frame of 2 x 1 at (1, 1), whose pixels are the entries 2 and 1.
    const gif = (control: number[]) =>
      Uint8Array.from([
        ...Buffer.from('GIF89a', 'latin1'),
        ...[3, 0, 2, 0, 0x81, 0, 0, ...palette.flat()],
        ...control,
        // Codes of 3 bits: clear 4, 2, 1, end 5.
        ...[0x2c, 1, 0, 1, 0, 2, 0, 1, 0, 0, 2, 2, 0x54, 0x0a, 0, 0x3b],
      ]);
    const decode = async (control: number[]) => {
      writeFileSync(at('frame.gif'), gif(control));
      const { width, height, data } = await platform.decodeImage(at('frame.gif'));
      expect([width, height]).toEqual([3, 2]);
      return [...data];
    };
    const shown = (entries: number[]) => entries.flatMap((entry) => palette[entry]);
    expect(await decode([])).toEqual(shown([0, 0, 0, 0, 2, 1]));
    const transparent = [0x21, 0xf9, 4, 1, 0, 0, 2, 0];
    expect(await decode(transparent)).toEqual(shown([2, 2, 2, 2, 2, 1]));
  });

  it('applies the orientation of a TIFF, like Pillow, but of no other format', async () => {
    await source().tiff({ compression: 'none' }).withMetadata({ orientation: 6 }).toFile(at('turned.tif'));
    const image = await platform.decodeImage(at('turned.tif'));
    expect([image.width, image.height]).toEqual([2, 3]);
    // Orientation 6: the first column, from the bottom up, becomes the first row.
    const pixel = (i: number) => [...rgb.subarray(i * 3, i * 3 + 3)];
    expect([...image.data]).toEqual([3, 0, 4, 1, 5, 2].flatMap(pixel));
  });

  it('reads Windows bitmaps of 24 bits bottom up and of 1 bit top down', async () => {
    const header = (bits: number, height: number, palette: number[]) => {
      const bytes = Buffer.alloc(54);
      bytes.write('BM', 'latin1');
      bytes.writeUInt32LE(54 + palette.length, 10);
      bytes.writeUInt32LE(40, 14);
      bytes.writeInt32LE(3, 18);
      bytes.writeInt32LE(height, 22);
      bytes.writeUInt16LE(1, 26);
      bytes.writeUInt16LE(bits, 28);
      return [...bytes, ...palette];
    };
    const line = (row: number) =>
      [0, 1, 2].flatMap((x) => [...rgb.subarray((row * 3 + x) * 3, (row * 3 + x) * 3 + 3)].reverse());
    // Rows are padded to four bytes.
    writeFileSync(
      at('24.bmp'),
      Uint8Array.from([...header(24, 2, []), ...line(1), 0, 0, 0, ...line(0), 0, 0, 0]),
    );
    expect([...(await platform.decodeImage(at('24.bmp'))).data]).toEqual([...rgb]);
    const twoColours = [1, 2, 3, 0, 7, 8, 9, 0];
    writeFileSync(at('1.bmp'), Uint8Array.from([...header(1, -1, twoColours), 0b10100000, 0, 0, 0]));
    expect([...(await platform.decodeImage(at('1.bmp'))).data]).toEqual([9, 8, 7, 3, 2, 1, 9, 8, 7]);
  });

  it('refuses text, drawings and truncated images by name', async () => {
    const png = await source().png().toBuffer();
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    writeFileSync(at('text.png'), 'not an image');
    writeFileSync(at('cut.png'), png.subarray(0, png.length - 30));
    writeFileSync(at('cut.jpg'), jpeg.subarray(0, jpeg.length / 2));
    writeFileSync(at('empty.jpg'), '');
    writeFileSync(at('drawing.png'), '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
    writeFileSync(at('cut.gif'), 'GIF89a\u0001\u0000\u0001\u0000\u0000\u0000\u0000');
    writeFileSync(
      at('cut.bmp'),
      Buffer.from(`BM${'\u0000'.repeat(12)}\u0028${'\u0001'.repeat(30)}`, 'latin1'),
    );
    const names = ['text.png', 'cut.png', 'cut.jpg', 'empty.jpg', 'drawing.png', 'cut.gif', 'cut.bmp'];
    for (const name of names)
      await expect(platform.decodeImage(at(name)), name).rejects.toSatisfy(
        (e) => e instanceof UserError && e.message.includes(name),
      );
  });
});

describeWithShared('goldens/preprocess', 'decodeImage against Pillow', () => {
  const expected = readRawTensors(`${sharedFolder}/goldens/preprocess/expected.safetensors`);
  for (const { file, width, height } of readPreprocessCases())
    it(file, async () => {
      const image = await platform.decodeImage(`${sharedFolder}/goldens/preprocess/${file}`);
      const golden = expected.get(`${file}.decoded`)!.data;
      expect([image.width, image.height, image.data.length]).toEqual([width, height, golden.length]);
      let sum = 0;
      for (let i = 0; i < golden.length; i++) sum += Math.abs(image.data[i]! - golden[i]!);
      // Lossy formats may differ by the decoder's rounding, others not at all.
      if (/png$/.test(file)) expect(sum).toBe(0);
      else expect(sum / golden.length).toBeLessThan(1);
    });
});
