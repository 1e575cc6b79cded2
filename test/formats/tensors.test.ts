import { Float16Array } from '@petamoriken/float16';
import { expect, test } from 'vitest';
import {
  gather,
  rowMajorStrides,
  stacked,
  storedTensor,
  toFloat32,
  transposed,
} from '../../formats/tensors.js';

const bytesOf = (array: ArrayBufferView) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
const fail = (problem: string): never => {
  throw new Error(problem);
};

test('every half-precision number converts exactly', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  expect(toFloat32('F16', bytesOf(bits))).toEqual(Float32Array.from(new Float16Array(bits.buffer)));
});

test('bfloat16 is the upper half of float32', () => {
  const bits = new Uint16Array([0x3f80, 0xc020, 0x7f80, 0x0001]);
  expect([...toFloat32('BF16', bytesOf(bits))]).toEqual([1, -2.5, Infinity, 2 ** -133]);
});

test('the other dtypes convert, from any alignment', () => {
  const unaligned = (array: ArrayBufferView) => {
    const bytes = bytesOf(array);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    return shifted.subarray(1);
  };
  expect([...toFloat32('F32', unaligned(Float32Array.of(1.5, -2)))]).toEqual([1.5, -2]);
  expect([...toFloat32('F64', unaligned(Float64Array.of(0.1)))]).toEqual([Math.fround(0.1)]);
  expect([...toFloat32('I64', unaligned(BigInt64Array.of(-3n)))]).toEqual([-3]);
  expect([...toFloat32('I32', unaligned(Int32Array.of(-70000)))]).toEqual([-70000]);
  expect([...toFloat32('I16', unaligned(Int16Array.of(-2)))]).toEqual([-2]);
  expect([...toFloat32('I8', Uint8Array.of(255))]).toEqual([-1]);
  expect([...toFloat32('U8', Uint8Array.of(255))]).toEqual([255]);
  expect([...toFloat32('BOOL', Uint8Array.of(1, 0))]).toEqual([1, 0]);
});

test('integers are read as such, floats and large ones refused', async () => {
  const of = (dtype: 'I64' | 'F32', array: ArrayBufferView) =>
    storedTensor({ name: 't', dtype, shape: [1], bytes: async () => bytesOf(array), fail });
  expect([...(await of('I64', BigInt64Array.of(-5n)).readInts())]).toEqual([-5]);
  await expect(of('I64', BigInt64Array.of(2n ** 31n)).readInts()).rejects.toThrow('32 bits');
  await expect(of('F32', Float32Array.of(1)).readInts()).rejects.toThrow('integers are expected');
});

test('gather makes a strided view row-major', () => {
  // A [2, 3] view of the columns of a [3, 4] matrix: element (i, j) is number i + 4 j.
  const source = Uint8Array.from({ length: 12 }, (_, i) => i);
  expect([...gather(source, [2, 3], [1, 4], 1)]).toEqual([0, 4, 8, 1, 5, 9]);
  expect(gather(new Uint8Array(0), [0, 3], [3, 1], 4).length).toBe(0);
  expect(rowMajorStrides([2, 3, 4])).toEqual([12, 4, 1]);
});

test('transposed and stacked tensors', async () => {
  const matrix = (values: number[], shape: number[]) =>
    storedTensor({
      name: 'm',
      dtype: 'F32',
      shape,
      bytes: async () => bytesOf(Float32Array.from(values)),
      fail,
    });
  const turned = transposed(matrix([1, 2, 3, 4, 5, 6], [2, 3]), 'm.T');
  expect(turned.shape).toEqual([3, 2]);
  expect([...(await turned.read())]).toEqual([1, 4, 2, 5, 3, 6]);
  const both = stacked([matrix([1, 2], [1, 2]), matrix([3, 4, 5, 6], [2, 2])], 'both');
  expect(both.shape).toEqual([3, 2]);
  expect([...(await both.read())]).toEqual([1, 2, 3, 4, 5, 6]);
});
