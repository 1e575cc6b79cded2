import { describe, expect, it } from 'vitest';
import { UserError } from '../../engine/errors.js';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import { tryFlips } from '../helpers/flips.js';

const value = {
  run: 'a b/ü.yaml',
  top1: 71.25,
  list: [0.1, 1e-7, -0.5, 12345678901],
  deep: { '7': true, x: null, y: '"\\\n' },
};

describe('sealed JSON', () => {
  it('comes back as it was, whatever its white space', () => {
    const text = sealJson(value);
    expect(text).toMatch(/,\n {2}"crc32": "[0-9a-f]{8}"\n\}\n$/);
    expect(openSealedJson('f.json', text)).toEqual(value);
    expect(openSealedJson('f.json', JSON.stringify(JSON.parse(text)))).toEqual(value);
    expect(openSealedJson('f.json', sealJson({}))).toEqual({});
    expect(() => sealJson({ crc32: 1 })).toThrow('is taken');
  });

  it.each([
    ['', 'it is not JSON'],
    ['[1]', 'it is not a JSON object'],
    ['null', 'it is not a JSON object'],
    ['{"a": 1}', 'it has no checksum'],
    [sealJson(value).replace('71.25', '71.26'), 'its checksum is wrong'],
    [sealJson(value).replace('"top1"', '"top5"'), 'its checksum is wrong'],
    [sealJson({}).replace(/"[0-9a-f]{8}"/, '{}'), 'its checksum is wrong'],
  ])('is refused with a name and a hint: %s', (text, problem) => {
    const open = () => openSealedJson('f.json', text);
    expect(open).toThrow(UserError);
    expect(open).toThrow(`f.json: ${problem}`);
  });

  it('notices 1,000 flipped bits, or reads the same', async () => {
    const file = new TextEncoder().encode(sealJson(value));
    const read = async (bytes: Uint8Array) => openSealedJson('f.json', new TextDecoder().decode(bytes));
    const { noticed, silent, crashed } = await tryFlips(file, read);
    expect([silent, crashed]).toEqual([[], []]);
    expect(noticed).toBeGreaterThan(700);
  });
});
