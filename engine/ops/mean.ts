/** Mean of all elements. */
import { scalar, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { multiply } from './multiply.js';
import { sum } from './reduce.js';

/** Mean of all elements, shape `[1]`. */
export const mean = (x: Tensor): Tensor => multiply(sum(x), scalar(1 / x.size, '1/n'));

/** Calls for the checks of kernels and shaders. */
export const meanExamples = examples(() => [example('mean', [[3, 5]], (x) => mean(x))]);
