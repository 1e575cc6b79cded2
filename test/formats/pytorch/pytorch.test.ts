import { describe, expect, test } from 'vitest';
import { openPyTorch } from '../../../formats/pytorch/pytorch.js';
import { memoryPlatform } from '../../helpers/memoryPlatform.js';
import { halfBytes, pickle, torchTensor, writeZip } from '../../helpers/torchFixtures.js';

const storage = { storage: '0', count: 12 };
const twelve = Array.from({ length: 12 }, (_, i) => i);

/** A state dict `t` and any further files, opened. */
function open(root: Buffer, more: [string, Uint8Array][] = [['archive/data/0', halfBytes(twelve)]]) {
  const archive = writeZip(new Map([['archive/data.pkl', pickle.file(root)], ...more]));
  return openPyTorch(memoryPlatform({ 'm.pt': archive }), 'm.pt');
}

async function valuesOf(tensor: Buffer): Promise<number[]> {
  return [...(await (await open(pickle.dict([['t', tensor]]))).tensors.get('t')!.read())];
}

describe('tensors are views of storages', () => {
  test('row-major, offset, strided, scalar, empty', async () => {
    expect(await valuesOf(torchTensor([3, 4], storage))).toEqual(twelve);
    expect(await valuesOf(torchTensor([2, 2], { ...storage, offset: 5 }))).toEqual([5, 6, 7, 8]);
    expect(await valuesOf(torchTensor([4, 3], { ...storage, strides: [1, 4] }))).toEqual([
      0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11,
    ]);
    expect(await valuesOf(torchTensor([2, 2], { ...storage, offset: 1, strides: [6, 2] }))).toEqual([
      1, 3, 7, 9,
    ]);
    expect(await valuesOf(torchTensor([], { ...storage, offset: 11 }))).toEqual([11]);
    expect(await valuesOf(torchTensor([0, 4], storage))).toEqual([]);
    // A size-1 axis may have any stride.
    expect(await valuesOf(torchTensor([1, 12], { ...storage, strides: [99, 1] }))).toEqual(twelve);
  });

  test('every storage type', async () => {
    const bytes = new Uint8Array(new BigInt64Array([7n, -1n]).buffer);
    const long = torchTensor([2], { storage: '0', count: 2, type: 'LongStorage' });
    const { tensors } = await open(pickle.dict([['t', long]]), [['archive/data/0', bytes]]);
    expect(tensors.get('t')!.dtype).toBe('I64');
    expect([...(await tensors.get('t')!.readInts())]).toEqual([7, -1]);
  });

  test('parameters are their tensors', async () => {
    const wrapped = pickle.call(
      'torch._utils',
      '_rebuild_parameter',
      pickle.tuple(torchTensor([12], storage), pickle.int(1), pickle.int(0)),
    );
    expect(await valuesOf(wrapped)).toEqual(twelve);
  });

  test.each([
    ['too long', torchTensor([13], storage), 'reaches beyond its storage'],
    ['offset', torchTensor([4], { ...storage, offset: 9 }), 'reaches beyond its storage'],
    ['strides', torchTensor([2, 2], { ...storage, strides: [11, 1] }), 'reaches beyond its storage'],
    ['repeated', torchTensor([1000, 12], { ...storage, strides: [0, 1] }), 'repeats its 12 numbers'],
    ['negative', torchTensor([-4], storage), 'describes a tensor wrongly'],
    ['ranks', torchTensor([2, 2], { ...storage, strides: [1] }), 'describes a tensor wrongly'],
    ['no data', torchTensor([2], { storage: '9', count: 2 }), '"data/9" is missing'],
    ['size', torchTensor([2], { storage: '0', count: 3 }), 'needs a storage of 6 bytes, but "data/0" has 24'],
    ['type', torchTensor([2], { ...storage, type: 'QInt8Storage' }), 'QInt8Storage, which is unknown'],
  ])('wrong views: %s', async (_, tensor, message) => {
    await expect(open(pickle.dict([['t', tensor]]))).rejects.toThrow(message);
    await expect(open(pickle.dict([['t', tensor]]))).rejects.toThrow('m.pt: ');
  });
});

test('objects of other classes are left alone', async () => {
  const root = pickle.dict([
    [
      'state_dict',
      pickle.dict([
        ['t', torchTensor([12], storage)],
        ['note', pickle.string('x')],
      ]),
    ],
    ['epoch', pickle.int(3)],
    [
      'scheduler',
      pickle.instance('torch.optim.lr_scheduler', 'CosineAnnealingLR', [['T_max', pickle.int(20)]]),
    ],
    ['evil', pickle.call('os', 'system', pickle.tuple(pickle.string('exit 1')))],
  ]);
  const { tensors, metadata, format } = await open(root);
  expect([...tensors.keys()]).toEqual(['t']);
  expect(metadata).toEqual({ epoch: '3' });
  expect(format).toBe('PyTorch trainer checkpoint');
});

test('what is no checkpoint is named', async () => {
  const whole = pickle.instance('models', 'Net', [['t', torchTensor([12], storage)]]);
  await expect(open(whole)).rejects.toThrow('it holds a Net, not a state dict');
  await expect(open(pickle.int(1))).rejects.toThrow('it holds no dictionary');
  const zip = memoryPlatform({ 'm.zip': writeZip(new Map([['a/b.txt', new Uint8Array(3)]])) });
  await expect(openPyTorch(zip, 'm.zip')).rejects.toThrow('no PyTorch checkpoint');
  const order: [string, Uint8Array][] = [['archive/byteorder', new TextEncoder().encode('big')]];
  await expect(open(pickle.dict([]), order)).rejects.toThrow('big-endian');
});

test('modules that contain themselves', async () => {
  const module = Buffer.from('c__torch__\nNode\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb', 'latin1');
  await expect(open(module)).rejects.toThrow('nested without end');
});
