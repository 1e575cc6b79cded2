/** The examples of all operations (ops/example.ts), for checks of kernels and shaders. */

import type { Tensor } from './graph/tensor.js';
import { type Example, Examples } from './ops/example.js';
import * as ops from './ops/index.js';
import { sum } from './ops/reduce.js';
import { grad } from './train/autograd.js';
import * as train from './train/index.js';

export type { Example } from './ops/example.js';

/** Records the examples of all operations, including optimisers. */
export const everyExample = (): Example[] =>
  [...Object.values(ops), ...Object.values(train)].flatMap((value: unknown) =>
    value instanceof Examples ? value.record() : [],
  );

/** Gradients of the sum of an example's output, one per parameter. */
export const gradientsOf = ({ output, parameters }: Example): Tensor[] =>
  output && parameters.length > 0 ? grad(sum(output), parameters) : [];
