import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
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

  it('names what is missing', async () => {
    expect(await platform.stat(at('nothing'))).toBeUndefined();
    for (const action of [
      platform.read(at('nothing')),
      platform.list(at('nothing')),
      platform.sha256(at('nothing')),
    ])
      await expect(action).rejects.toSatisfy(
        (e) => e instanceof UserError && e.message.includes(at('nothing')),
      );
  });

  it('hashes and gunzips', async () => {
    await platform.write(at('abc'), 'abc');
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(await platform.sha256(at('abc'))).toBe(abc);
    expect(await platform.sha256Bytes(new TextEncoder().encode('abc'))).toBe(abc);
    expect(new TextDecoder().decode(await platform.gunzip(gzipSync('hello')))).toBe('hello');
    await expect(platform.gunzip(Uint8Array.from([1, 2, 3]))).rejects.toThrow(UserError);
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
    for (const name of ['text.png', 'cut.png', 'cut.jpg', 'empty.jpg', 'drawing.png'])
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
      for (let i = 0; i < golden.length; i++) sum += Math.abs(image.data[i] - golden[i]);
      // Lossy formats may differ by the decoder's rounding; the others may not differ at all.
      if (/png$/.test(file)) expect(sum).toBe(0);
      else expect(sum / golden.length).toBeLessThan(1);
    });
});
