/**
 * Writes ONNX models: a protocol buffer encoder for the few messages that our graphs need. Field numbers follow onnx.proto
 * (ir_version 10).
 */

type Bytes = Uint8Array;

/** A varint: 7 bits per byte, lowest first; a set high bit means that more bytes follow. */
function varint(value: number | bigint): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function concat(parts: readonly Bytes[]): Bytes {
  const result = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

const tag = (field: number, wire: number) => varint(field * 8 + wire);
const integer = (field: number, value: number | bigint) => concat([tag(field, 0), varint(value)]);
const bytes = (field: number, value: Bytes) => concat([tag(field, 2), varint(value.length), value]);
const text = (field: number, value: string) => bytes(field, new TextEncoder().encode(value));
const message = (field: number, ...parts: Bytes[]) => bytes(field, concat(parts));

function float32(field: number, value: number): Bytes {
  const raw = new Uint8Array(4);
  new DataView(raw.buffer).setFloat32(0, value, true);
  return concat([tag(field, 5), raw]);
}

/** An attribute: whole numbers are `INT`, `{ float }` is `FLOAT`, lists are `INTS`. */
export type Attribute = number | { readonly float: number } | readonly number[];

function attribute(name: string, value: Attribute): Bytes {
  if (typeof value === 'number') return concat([text(1, name), integer(3, value), integer(20, 2)]);
  if ('float' in value) return concat([text(1, name), float32(2, value.float), integer(20, 1)]);
  return concat([text(1, name), ...value.map((v) => integer(8, v)), integer(20, 7)]);
}

/** An operation of a graph. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** `com.microsoft` for onnxruntime's own operators (default: ONNX). */
  readonly domain?: string;
}

/** A constant. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** An input or output of a graph. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A graph. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  /** Float32 tensors. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const node = ({ op, inputs, outputs, attributes = {}, domain }: OnnxNode): Bytes =>
  concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(3, outputs[0]!),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => bytes(5, attribute(name, value))),
    ...(domain === undefined ? [] : [text(7, domain)]),
  ]);

const FLOAT = 1;
const INT64 = 7;

const tensor = ({ name, shape, data }: OnnxTensor): Bytes =>
  concat([
    ...shape.map((n) => integer(1, n)),
    integer(2, data instanceof Float32Array ? FLOAT : INT64),
    text(8, name),
    bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);

const value = ({ name, shape }: OnnxValue): Bytes =>
  concat([
    text(1, name),
    message(2, message(1, integer(1, FLOAT), message(2, ...shape.map((n) => message(1, integer(1, n)))))),
  ]);

/** Encodes a ModelProto with operator set 20 of ONNX and 1 of com.microsoft. */
export function encodeModel({ nodes, initializers, inputs, outputs }: OnnxGraph): Uint8Array {
  const graph = [
    ...nodes.map((n) => bytes(1, node(n))),
    text(2, 'bench'),
    ...initializers.map((t) => bytes(5, tensor(t))),
    ...inputs.map((v) => bytes(11, value(v))),
    ...outputs.map((v) => bytes(12, value(v))),
  ];
  return concat([
    integer(1, 10),
    text(2, 'promptkd bench'),
    message(7, ...graph),
    message(8, text(1, ''), integer(2, 20)),
    message(8, text(1, 'com.microsoft'), integer(2, 1)),
  ]);
}
