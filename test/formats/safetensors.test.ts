import { describe, expect, test } from 'vitest';
import { UserError } from '../../engine/errors.js';
import { encodeSafetensors, openSafetensors } from '../../formats/safetensors.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';

const open = (file: Uint8Array) =>
  openSafetensors(memoryPlatform({ 'm.safetensors': file }), 'm.safetensors');

/** A file with any header, valid or not. */
function file(header: unknown, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

const two = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

describe('writing and reading', () => {
  const tensors = [
    { name: 'b', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) },
    { name: 'a', dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2, 0.1, 4) },
    { name: 'half', dtype: 'F16', shape: [2], data: Float32Array.of(0.1, -65504) },
    { name: 'bits', dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) },
    { name: 'ids', dtype: 'I32', shape: [2], data: Int32Array.of(-1, 49407) },
    { name: 'scalar', dtype: 'F32', shape: [], data: Float32Array.of(4.6) },
    { name: 'empty', dtype: 'F32', shape: [0, 7], data: new Float32Array(0) },
    { name: '__proto__', dtype: 'U8', shape: [1], data: Uint8Array.of(7) },
  ] as const;

  test('every value comes back', async () => {
    const { tensors: read, metadata } = await open(encodeSafetensors(tensors, { kind: 'prompts' }));
    expect(metadata).toEqual({ kind: 'prompts' });
    expect(read.size).toBe(tensors.length);
    expect([...(await read.get('a')!.read())]).toEqual([1, -2, Math.fround(0.1), 4]);
    expect([...(await read.get('half')!.read())]).toEqual([0.0999755859375, -65504]);
    expect([...(await read.get('bits')!.read())]).toEqual([1]);
    expect([...(await read.get('ids')!.readInts())]).toEqual([-1, 49407]);
    expect(read.get('scalar')!.shape).toEqual([]);
    expect([...(await read.get('scalar')!.read())]).toEqual([Math.fround(4.6)]);
    expect((await read.get('empty')!.read()).length).toBe(0);
    expect([...(await read.get('__proto__')!.read())]).toEqual([7]);
  });

  test('the bytes do not depend on the order, and the header ends on 8 bytes', () => {
    const bytes = encodeSafetensors(tensors, { b: '1', a: '2' });
    expect(encodeSafetensors([...tensors].reverse(), { a: '2', b: '1' })).toEqual(bytes);
    expect(bytes[0]! % 8).toBe(0);
  });

  test('wrong sizes and equal names are refused', () => {
    expect(() => encodeSafetensors([{ ...tensors[0], shape: [4] }])).toThrow(UserError);
    expect(() => encodeSafetensors([tensors[0], tensors[0]])).toThrow('two tensors are named "b"');
  });

  test('a header that leaves the data misaligned is read', async () => {
    const bytes = file(`${JSON.stringify({ a: two })}   `, 8);
    new DataView(bytes.buffer).setFloat32(bytes.length - 8, 2.5, true);
    expect((bytes.length - 8) % 4).not.toBe(0);
    expect([...(await (await open(bytes)).tensors.get('a')!.read())]).toEqual([2.5, 0]);
  });
});

describe('damaged files name file, tensor and hint', () => {
  const cases: [string, Uint8Array, string][] = [
    ['too short', new Uint8Array(5), '5 bytes'],
    ['header longer than the file', file({ a: two }, 8).slice(0, 30), 'header should take'],
    ['no JSON', file('{nonsense', 0), 'not JSON'],
    ['cut off', file({ a: two }, 8).slice(0, -1), '"a" ends 1 bytes after the file'],
    ['bytes left over', file({ a: two }, 9), '1 bytes follow'],
    [
      'overlap',
      file({ a: two, b: { ...two, data_offsets: [4, 12] } }, 12),
      '"b" starts at byte 4 instead of 8',
    ],
    ['hole', file({ a: { ...two, data_offsets: [4, 12] } }, 12), '"a" starts at byte 4'],
    ['shape unlike bytes', file({ a: { ...two, shape: [3] } }, 8), '"a" of shape [3] and dtype F32 needs 12'],
    ['negative shape', file({ a: { ...two, shape: [-1, -2] } }, 8), '"a" has the shape'],
    ['huge shape', file({ a: { ...two, shape: [2 ** 40, 2 ** 40] } }, 8), '"a" of shape'],
    ['unknown dtype', file({ a: { ...two, dtype: 'F8_E4M3' } }, 8), 'dtype "F8_E4M3"'],
    ['dtype of an object', file({ a: { ...two, dtype: 'constructor' } }, 8), 'dtype "constructor"'],
    ['odd offsets', file({ a: { ...two, data_offsets: [8] } }, 8), '"a" has the offsets [8]'],
    ['nested', file(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 0), 'its header is nested too deeply'],
    ['values', file(`{"a":[${'1,'.repeat(300_000)}1]}`, 0), 'its header holds too many values'],
    ['no entry', file({ a: 1 }, 8), '"a" has no description'],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    const error = await open(bytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain('m.safetensors: ');
    expect((error as UserError).message).toContain(message);
    expect((error as UserError).hint.length).toBeGreaterThan(10);
  });
});
