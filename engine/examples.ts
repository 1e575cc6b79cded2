/** The examples of all operations: what checks of kernels try and what checks of shaders compile. */

import type { Tensor } from './graph/tensor.js';
import { type Example, Examples } from './ops/example.js';
import * as ops from './ops/index.js';
import { sum } from './ops/reduce.js';
import { grad } from './train/autograd.js';
import * as train from './train/index.js';

export type { Example } from './ops/example.js';

/** Records every example of every operation, optimisers' included. */
export const everyExample = (): Example[] =>
  [...Object.values(ops), ...Object.values(train)].flatMap((value: unknown) =>
    value instanceof Examples ? value.record() : [],
  );

/** The gradients of the sum of an example's output, one a parameter. */
export const gradientsOf = ({ output, parameters }: Example): Tensor[] =>
  output && parameters.length > 0 ? grad(sum(output), parameters) : [];
