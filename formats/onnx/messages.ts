/**
 * ONNX's protocol buffer messages, as far as an exported graph needs them, and their encoding. Field numbers are those of onnx.proto
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, IR version 8).
 */
import protobuf from 'protobufjs/light.js';

/** IR version 8, with operator set 17: the first with LayerNormalization, read by runtimes from 2022 on. */
const IR_VERSION = 8;
/** Of the default domain. */
const OPERATOR_SET = 17;

/** Values of `TensorProto.DataType`. */
const DATA_TYPE = { float32: 1, int64: 7, float16: 10 } as const;
/** Values of `AttributeProto.AttributeType`. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, ints: 7 } as const;

type FieldSpec = readonly [id: number, type: string, repeated?: 'repeated'];

const MESSAGES: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    domain: [7, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    ints: [8, 'int64', 'repeated'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
  },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'], docString: [3, 'string'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'Dimension', 'repeated'] },
  Dimension: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
};

function modelType(): protobuf.Type {
  const root = new protobuf.Root();
  for (const [name, fields] of Object.entries(MESSAGES)) {
    const type = new protobuf.Type(name);
    // onnx.proto has proto2 syntax, in which lists of numbers are not packed.
    for (const [field, [id, kind, rule]] of Object.entries(fields))
      type.add(new protobuf.Field(field, id, kind, rule, undefined, { packed: false }));
    root.add(type);
  }
  return root.lookupType('ModelProto');
}

/** Whole numbers are `INT`, `{ float }` is `FLOAT`, lists are `INTS`. */
export type Attribute = number | { readonly float: number } | readonly number[];

/** A node of the graph. It has the name of its first output. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Of operators that are not ONNX's own. */
  readonly domain?: string;
}

/** A constant of the graph: little-endian values, row-major. */
export interface OnnxTensor {
  readonly name: string;
  readonly dtype: keyof typeof DATA_TYPE;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A float32 input or output; a dimension that is a name may be any number. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly doc?: string;
}

/** A whole model. */
export interface OnnxModel {
  readonly name: string;
  readonly doc?: string;
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata?: Readonly<Record<string, string>>;
  /** What made it (default: promptkd). */
  readonly producer?: string;
  /** Default: `IR_VERSION`. */
  readonly irVersion?: number;
  /** Versions of operator sets by domain; ONNX's own has the empty name (default: `OPERATOR_SET` of it). */
  readonly operatorSets?: Readonly<Record<string, number>>;
}

/** The bytes of the model's file. */
export function encodeModel({
  name,
  doc,
  nodes,
  tensors,
  inputs,
  outputs,
  metadata = {},
  producer = 'promptkd',
  irVersion = IR_VERSION,
  operatorSets = { '': OPERATOR_SET },
}: OnnxModel): Uint8Array {
  const type = modelType();
  const message = type.fromObject({
    irVersion,
    producerName: producer,
    docString: doc,
    opsetImport: Object.entries(operatorSets).map(([domain, version]) => ({ domain, version })),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name,
      node: nodes.map(({ op, inputs: input, outputs: output, attributes = {}, domain }) => ({
        input,
        output,
        name: output[0],
        opType: op,
        domain,
        attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
      })),
      initializer: tensors.map(({ name: tensor, dtype, shape, bytes }) => ({
        dims: shape,
        dataType: DATA_TYPE[dtype],
        name: tensor,
        rawData: bytes,
      })),
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
    },
  });
  const { buffer, byteOffset, length } = type.encode(message).finish();
  // Not Node's Buffer, whose `slice` shares memory.
  return new Uint8Array(buffer, byteOffset, length);
}

function attributeOf(name: string, value: Attribute) {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE_TYPE.int };
  if ('float' in value) return { name, f: value.float, type: ATTRIBUTE_TYPE.float };
  return { name, ints: value, type: ATTRIBUTE_TYPE.ints };
}

const valueInfo = ({ name, shape, doc }: OnnxValue) => ({
  name,
  docString: doc,
  type: {
    tensorType: {
      elemType: DATA_TYPE.float32,
      shape: {
        dim: shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size })),
      },
    },
  },
});
