/**
 * Examples: small calls of an operation that every check of kernels and shaders uses. They stand beside the operation, one for
 * each variant that makes another shader, at odd and at vector-friendly sizes. A variant without one is checked nowhere.
 */

import type { GraphNode } from '../graph/op.js';
import { constant, type Shape, type Tensor, variable } from '../graph/tensor.js';

/** One call. */
export interface Example {
  readonly name: string;
  /** What is computed, where the operation computes something. */
  readonly output?: Tensor;
  /** Variables that have a gradient, of the output's sum. */
  readonly parameters: readonly Tensor[];
  /** What changes variables, where the operation does. */
  readonly updates: readonly GraphNode[];
}

/** The examples of an operation, under a type of their own: that is how examples.ts finds them among a file's exports. */
export class Examples {
  /** @param record records the calls anew */
  constructor(readonly record: () => readonly Example[]) {}
}

/** The examples that `record` records. */
export const examples = (record: () => readonly Example[]): Examples => new Examples(record);

/** A call of `build` on variables of these shapes, which have no values. */
export function example<const Shapes extends readonly Shape[]>(
  name: string,
  shapes: Shapes,
  build: (...inputs: { [Index in keyof Shapes]: Tensor }) => Tensor,
): Example {
  const parameters = shapes.map((shape, i) => variable(undefined, shape, `${name}.${i}`));
  const output = build(...(parameters as { [Index in keyof Shapes]: Tensor }));
  return { name, output, parameters, updates: [] };
}

/** A call that has no gradient. */
export const withoutGradient = (name: string, output: Tensor): Example => ({
  name,
  output,
  parameters: [],
  updates: [],
});

/** Calls that change variables. */
export const updating = (name: string, updates: readonly GraphNode[]): Example => ({
  name,
  parameters: [],
  updates,
});

/** An int32 constant. */
export const indices = (values: readonly number[], shape: Shape): Tensor =>
  constant(Int32Array.from(values), shape, 'indices');

/** A constant without values, which has no gradient. */
export const frozen = (...shape: number[]): Tensor => constant(undefined, shape, 'frozen');

/** Every pair of flags. */
export const PAIRS = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;
