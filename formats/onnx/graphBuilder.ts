/** Builds an ONNX graph node by node; every value has the name of the node that makes it. */
import { bytesOf } from '../writable.js';
import type { Attribute, OnnxNode, OnnxTensor } from './messages.js';

/** Nodes and constants of a graph in the making. Methods return the name of the value that they add. */
export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly tensors: OnnxTensor[] = [];
  private readonly names = new Set<string>();

  /** @param name what the result is called; a number is put behind a name that is taken */
  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
  ): string {
    let output = name;
    for (let n = 2; this.names.has(output); n++) output = `${name} ${n}`;
    this.names.add(output);
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  /** Float32 values; a constant of that name that is there already is used again. */
  float32(name: string, shape: readonly number[], values: Float32Array): string {
    return this.constant({ name, dtype: 'float32', shape, bytes: bytesOf(values) });
  }

  /** One float32 number. */
  scalar(name: string, value: number): string {
    return this.float32(name, [], Float32Array.of(value));
  }

  /** Float16 bits, which the graph turns into float32 where they are used. */
  float16(name: string, shape: readonly number[], bits: Uint16Array): string {
    const half = this.constant({ name: `${name}.f16`, dtype: 'float16', shape, bytes: bytesOf(bits) });
    return this.names.has(name) ? name : this.node('Cast', name, [half], { to: 1 });
  }

  /** A list of whole numbers, as shapes, starts and axes are given. */
  integers(...values: readonly number[]): string {
    return this.int64(`int64 [${values.join(' ')}]`, [values.length], values);
  }

  /** One whole number, as an index is given: its axis goes. */
  integer(value: number): string {
    return this.int64(`int64 ${value}`, [], [value]);
  }

  private int64(name: string, shape: readonly number[], values: readonly number[]): string {
    return this.constant({ name, dtype: 'int64', shape, bytes: bytesOf(BigInt64Array.from(values, BigInt)) });
  }

  private constant(tensor: OnnxTensor): string {
    if (!this.names.has(tensor.name)) this.tensors.push(tensor);
    this.names.add(tensor.name);
    return tensor.name;
  }
}
