/** Activation checkpointing: marks what stays in memory when the backward pass recomputes the rest (train/autograd.ts). */
import { call, nodeOf, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';

const op: Op<null, [x: Tensor], [y: Tensor]> = {
  name: 'checkpoint',
  outputs: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
  gradient: (_, [dy]) => [dy],
  reference: (_, [x]) => [x],
};

/** `x` itself, kept in memory so that recomputation can start from it; typically the input of a transformer block. */
export const checkpoint = (x: Tensor): Tensor => call(op, [x], null);

/** Whether `x` was made by `checkpoint`. */
export const isCheckpoint = (x: Tensor): boolean => nodeOf(x)?.op === op;

/** Calls for the checks of kernels and shaders. */
export const checkpointExamples = examples(() => [example('checkpoint', [[3, 5]], (x) => checkpoint(x))]);
