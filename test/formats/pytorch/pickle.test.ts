import { describe, expect, test } from 'vitest';
import { unpickle } from '../../../formats/pytorch/pickle.js';
import { PickleError, PickleGlobal, PickleObject } from '../../../formats/pytorch/pickleObjects.js';
import { pickle } from '../../helpers/torchFixtures.js';

const hooks = {
  call: (callee: PickleGlobal, args: readonly unknown[]) =>
    callee.name === 'OrderedDict' ? new Map() : callee.name === 'echo' ? args : new PickleObject(callee),
  persistent: (id: unknown) => ['persistent', id],
};
const read = (text: string) => unpickle(Uint8Array.from(Buffer.from(text, 'latin1')), hooks);
const hex = (text: string) => unpickle(Uint8Array.from(Buffer.from(text, 'hex')), hooks);

describe('what CPython writes', () => {
  test('protocol 2', () => {
    // pickle.dumps([1, 2.5, None, True, -3, 2**40, 2**70], 2)
    const bytes =
      '80025d7100284b014740040000000000004e884afdffffff8a060000000000018a09000000000000000040652e';
    expect(hex(bytes)).toEqual([1, 2.5, null, true, -3, 2 ** 40, 2n ** 70n]);
  });

  test('protocol 4: frame, memo, short strings, bytes, sets', () => {
    // pickle.dumps(['é', 'é', b'xy', {7}, frozenset({8}), (1, 2, 3, 4)], 4)
    const bytes =
      '80049527000000000000005d94288c02c3a994680143027879948f94284b0790284b089194284b014b024b034b047494652e';
    expect(hex(bytes)).toEqual(['é', 'é', null, [7], [8], [1, 2, 3, 4]]);
  });

  test('protocol 5: byte arrays', () => {
    // pickle.dumps([bytearray(b'ab')], 5), without its frame
    expect(hex('80055d94960200000000000000616294612e')).toEqual([null]);
  });
});

test('containers, names, instances and persistent ids', () => {
  expect(read('\x80\x02]K\x01a(K\x02K\x03e.')).toEqual([1, 2, 3]);
  expect(read('\x80\x02}K\x01K\x02s.')).toEqual(new Map([[1, 2]]));
  expect(read('\x80\x02(K\x01K\x02d.')).toEqual(new Map([[1, 2]]));
  expect(read('\x80\x02K\x05q\x000h\x00.')).toBe(5);
  expect(read('\x80\x02K\x05Q.')).toEqual(['persistent', 5]);
  expect(read('\x80\x04\x8c\x01m\x8c\x04echo\x93K\x01\x85R.')).toEqual([1]);
  expect(read('\x80\x02cm\nf\n.')).toEqual(new PickleGlobal('m', 'f'));
  const object = unpickle(pickle.file(pickle.instance('os', 'system', [['x', pickle.int(-2)]])), hooks);
  expect(object).toBeInstanceOf(PickleObject);
  expect((object as PickleObject).type).toEqual(new PickleGlobal('os', 'system'));
  expect((object as PickleObject).attributes).toEqual(new Map([['x', -2]]));
});

test('nothing is called or imported', () => {
  const attack = unpickle(
    pickle.file(pickle.call('os', 'system', pickle.tuple(pickle.string('exit 1')))),
    hooks,
  );
  expect(attack).toEqual(new PickleObject(new PickleGlobal('os', 'system')));
});

describe('broken pickles', () => {
  test.each([
    ['cut off', '\x80\x02X\xff\x00\x00\x00a', 'ends too early'],
    ['no end', '\x80\x02K\x01', 'ends too early'],
    ['protocol', '\x80\x07N.', 'protocol 2 to 5'],
    ['opcode', '\x80\x02I1\n.', 'unknown opcode 73'],
    ['empty stack', '\x80\x02.', 'empty stack'],
    ['below a mark', '\x80\x02K\x01(.', 'empty stack'],
    ['no mark', '\x80\x02t.', 'no mark'],
    ['memo', '\x80\x02h\x05.', 'recalls the entry 5'],
    ['key without value', '\x80\x02}(K\x01u.', 'without a value'],
    ['items of a number', '\x80\x02K\x01(K\x01K\x01u.', 'not a dictionary'],
    ['list of a number', '\x80\x02K\x01K\x01a.', 'appends to something that is not a list'],
    ['call of a number', '\x80\x02K\x01)R.', 'calls something that is not a class or function'],
    ['call without arguments', '\x80\x02cm\nf\nK\x01R.', 'without arguments'],
    ['long integer', '\x80\x02\x8b\xff\xff\x00\x00.', 'integer of 65535 bytes'],
    ['class of numbers', '\x80\x04K\x01K\x01\x93.', 'names no class'],
  ])('%s', (_, text, message) => {
    expect(() => read(text)).toThrow(PickleError);
    expect(() => read(text)).toThrow(message);
  });

  test('limits', () => {
    expect(() => read(`\x80\x02${'('.repeat(2000)}`)).toThrow('nested too deeply');
    expect(() => read(`\x80\x02${'}'.repeat(300_000)}`)).toThrow('too many objects');
    expect(() => read(`\x80\x02${'N'.repeat(1_000_001)}`)).toThrow('too many values');
    expect(() => unpickle(new Uint8Array(17 * 2 ** 20), hooks)).toThrow('too many');
    // One byte each: remembered values, and a list that is emptied from the stack again and again.
    expect(() => read(`\x80\x02N${'\x94'.repeat(150_002)}`)).toThrow('remembers too many');
    const item = `(${'N'.repeat(1000)}e`;
    expect(() => read(`\x80\x02]${item.repeat(300)}.`)).toThrow('too many values');
  });

  test('a loop is a value like any other', () => {
    const loop = read('\x80\x02]q\x00h\x00a.') as unknown[];
    expect(loop[0]).toBe(loop);
  });
});
