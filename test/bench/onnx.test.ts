import { describe, expect, it } from 'vitest';
import { QUICK_CASES } from '../../bench/peers/cases.js';
import { encodeModel } from '../../bench/peers/onnx.js';
import { caseModel, onnxVariants } from '../../bench/peers/onnxModels.js';

interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** The fields of a protocol buffer message. */
function fields(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = key >> 3;
    if ((key & 7) === 0) found.push({ number, value: varint() });
    else if ((key & 7) === 5) {
      found.push({ number, value: bytes.subarray(at, at + 4) });
      at += 4;
    } else {
      const length = varint();
      found.push({ number, value: bytes.subarray(at, at + length) });
      at += length;
    }
  }
  expect(at).toBe(bytes.length);
  return found;
}

const all = (bytes: Uint8Array, number: number) =>
  fields(bytes)
    .filter((f) => f.number === number)
    .map((f) => f.value as Uint8Array);
/** The first field with this number. */
const one = (bytes: Uint8Array, number: number) => all(bytes, number)[0]!;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('ONNX models', () => {
  it('follow onnx.proto, byte by byte for a short one', () => {
    const model = encodeModel({ nodes: [], initializers: [], inputs: [], outputs: [] });
    // ir_version 10; producer; a graph with its name alone; opset 20 of ONNX, opset 1 of com.microsoft.
    expect([...model]).toEqual([
      ...[0x08, 10],
      ...[0x12, 14, ...new TextEncoder().encode('promptkd bench')],
      ...[0x3a, 7, 0x12, 5, ...new TextEncoder().encode('bench')],
      ...[0x42, 4, 0x0a, 0, 0x10, 20],
      ...[0x42, 17, 0x0a, 13, ...new TextEncoder().encode('com.microsoft'), 0x10, 1],
    ]);
  });

  it('contain nodes, attributes, weights and shapes', () => {
    const graph = one(
      encodeModel({
        nodes: [
          {
            op: 'LayerNormalization',
            inputs: ['x', 'w'],
            outputs: ['y'],
            attributes: { axis: -1, epsilon: { float: 0.5 }, perm: [0, 2, 300] },
          },
        ],
        initializers: [{ name: 'w', shape: [2], data: Float32Array.of(1, -2) }],
        inputs: [{ name: 'x', shape: [3, 200] }],
        outputs: [],
      }),
      7,
    );
    const node = one(graph, 1);
    expect(all(node, 1).map(text)).toEqual(['x', 'w']);
    expect(all(node, 2).map(text)).toEqual(['y']);
    expect(text(one(node, 4))).toBe('LayerNormalization');
    const [axis, epsilon, perm] = all(node, 5) as [Uint8Array, Uint8Array, Uint8Array];
    // -1 in ten bytes, as 64 bits.
    expect([...axis].slice(6)).toEqual([0x18, ...Array(9).fill(0xff), 1, 0xa0, 1, 2]);
    expect(new DataView(one(epsilon, 2).slice().buffer).getFloat32(0, true)).toBe(0.5);
    expect(
      fields(perm)
        .filter((f) => f.number === 8)
        .map((f) => f.value),
    ).toEqual([0, 2, 300]);
    const tensor = one(graph, 5);
    expect([...new Float32Array(one(tensor, 9).slice().buffer)]).toEqual([1, -2]);
    const value = one(graph, 11);
    const dims = all(one(one(one(value, 2), 1), 2), 1).map((dim) => fields(dim)[0]?.value);
    expect(dims).toEqual([3, 200]);
  });

  it('have a probe of 16 values for every case', () => {
    for (const work of QUICK_CASES)
      for (const variant of onnxVariants(work)) {
        const graph = one(caseModel(work, variant).bytes, 7);
        const outputs = all(graph, 12).map((value) => text(one(value, 1)));
        expect(outputs).toEqual(['y', 'probe']);
        expect(text(one(all(graph, 1).at(-1)!, 4))).toBe('Slice');
      }
  });
});
