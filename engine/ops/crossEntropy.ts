/** Cross-entropy with integer labels, averaged over the batch: mean over b of -log softmax(logits[b])[label[b]]. */
import type { Capabilities } from '../capabilities.js';
import { float } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { example, examples, indices } from './example.js';
import { reducesBySubgroups, rowPerWorkgroupOf, sumOf } from './rows.js';
import { misfit } from './shape.js';
import { logSoftmaxRow } from './softmax.js';

const launch = (x: Tensor, gradient: boolean, capabilities: Capabilities) => ({
  shader: 'cross_entropy',
  ...rowPerWorkgroupOf(
    x,
    { GRADIENT: gradient, SUBGROUPS: reducesBySubgroups(capabilities) },
    { SCALE: float(1 / x.shape[0]!) },
  ),
});

const op: Op<null, [logits: Tensor, labels: Tensor], [loss: Tensor, terms: Tensor]> = {
  name: 'crossEntropy',
  outputs: ([logits, labels]) => {
    if (logits.shape.length !== 2 || labels.size !== logits.shape[0] || labels.dtype !== 'i32')
      misfit('crossEntropy', [logits, labels], 'logits are [batch, classes], labels int32 [batch]');
    return [{ shape: [1] }, { shape: [logits.shape[0]], scratch: true }];
  },
  kernels: ({ inputs: [x, labels], outputs: [loss, terms] }, { capabilities }) => [
    {
      ...launch(x, false, capabilities),
      reads: { x, labels },
      writes: { terms },
    },
    sumOf(terms, loss),
  ],
  gradient: ({ inputs: [logits, labels] }, [dy]) => [call(gradientOp, [logits, labels, dy!], null)],
  reference: ({ inputs: [logits] }, [x, labels]) => {
    const [rows, width] = logits.shape as [number, number];
    const terms = labels.map((label, r) => -logSoftmaxRow(x, r * width, width)[label]! / rows);
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms];
  },
};

const gradientOp: Op<null, [logits: Tensor, labels: Tensor, upstream: Tensor], [dx: Tensor]> = {
  name: 'crossEntropyGradient',
  outputs: ([logits]) => [{ shape: logits.shape }],
  kernels: ({ inputs: [x, labels, upstream], outputs: [dx] }, { capabilities }) => [
    {
      ...launch(x, true, capabilities),
      reads: { x, labels, upstream },
      writes: { dx },
    },
  ],
  reference: ({ inputs: [logits] }, [x, labels, upstream]) => {
    const [rows, width] = logits.shape as [number, number];
    const dx = new Float64Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const row = logSoftmaxRow(x, r * width, width).map(Math.exp);
      row[labels[r]!]! -= 1;
      dx.set(
        row.map((v) => (v * upstream[0]!) / rows),
        r * width,
      );
    }
    return [dx];
  },
};

/** `logits` `[batch, classes]`, `labels` int32 `[batch]`, each in 0 .. classes - 1 -> mean loss `[1]`. */
export const crossEntropy = (logits: Tensor, labels: Tensor): Tensor => call(op, [logits, labels], null);

/** Calls for the checks of kernels and shaders. */
export const crossEntropyExamples = examples(() => [
  example('crossEntropy', [[3, 11]], (x) => crossEntropy(x, indices([0, 10, 4], [3]))),
]);
