/**
 * Examples: small calls of an operation, defined next to it. The checks of kernels run them, and the shader check compiles them.
 * There must be one for each variant that generates another shader, at sizes that are multiples of four and sizes that are not:
 * a variant without an example is not checked.
 */

import type { GraphNode } from '../graph/op.js';
import { constant, type Shape, type Tensor, variable } from '../graph/tensor.js';

/** One recorded call. */
export interface Example {
  readonly name: string;
  /** The result; none for an operation that only changes variables. */
  readonly output?: Tensor;
  /** Variables to differentiate the sum of the output by. */
  readonly parameters: readonly Tensor[];
  /** Nodes that change variables. */
  readonly updates: readonly GraphNode[];
}

/** The examples of one file. A class, so that examples.ts can tell them from the file's other exports. */
export class Examples {
  /** @param record records the calls again, with new tensors */
  constructor(readonly record: () => readonly Example[]) {}
}

/** Defines the examples of a file. */
export const examples = (record: () => readonly Example[]): Examples => new Examples(record);

/** An example that calls `build` with variables of these shapes. They have no data. */
export function example<const Shapes extends readonly Shape[]>(
  name: string,
  shapes: Shapes,
  build: (...inputs: { [Index in keyof Shapes]: Tensor }) => Tensor,
): Example {
  const parameters = shapes.map((shape, i) => variable(undefined, shape, `${name}.${i}`));
  const output = build(...(parameters as { [Index in keyof Shapes]: Tensor }));
  return { name, output, parameters, updates: [] };
}

/** An example of an operation without gradient. */
export const withoutGradient = (name: string, output: Tensor): Example => ({
  name,
  output,
  parameters: [],
  updates: [],
});

/** An example of updates. */
export const updating = (name: string, updates: readonly GraphNode[]): Example => ({
  name,
  parameters: [],
  updates,
});

/** An int32 constant. */
export const indices = (values: readonly number[], shape: Shape): Tensor =>
  constant(Int32Array.from(values), shape, 'indices');

/** A constant without data: an input that needs no gradient. */
export const frozen = (...shape: number[]): Tensor => constant(undefined, shape, 'frozen');

/** All pairs of two booleans. */
export const PAIRS = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;
