/** ONNX models of the cases: written as exported students are, in a newer version and with onnxruntime's own operators. */
import {
  encodeModel as encode,
  type OnnxNode as Node,
  type OnnxTensor as StoredTensor,
} from '../../formats/onnx/messages.js';
import { bytesOf } from '../../formats/writable.js';

/** An operation. */
export type OnnxNode = Node;

/** A constant. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** An input or output, float32. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a model computes. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const stored = ({ name, shape, data }: OnnxTensor): StoredTensor => ({
  ...{ name, shape, bytes: bytesOf(data) },
  dtype: data instanceof Float32Array ? 'float32' : 'int64',
});

/** The bytes of a model with operator set 20 of ONNX and 1 of com.microsoft. */
export const encodeModel = ({ initializers, ...graph }: OnnxGraph): Uint8Array =>
  encode({
    ...graph,
    tensors: initializers.map(stored),
    name: 'bench',
    producer: 'promptkd bench',
    irVersion: 10,
    operatorSets: { '': 20, 'com.microsoft': 1 },
  });
