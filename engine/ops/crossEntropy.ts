/** Cross-entropy with integer labels, averaged over the batch: mean over b of -log softmax(logits[b])[label[b]]. */
import type { Capabilities } from '../gpu/gpu.js';
import { call, float, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { overRowsOf, reducesBySubgroups, sumOf } from './rows.js';
import { misfit } from './shape.js';
import { logSoftmaxRow } from './softmax.js';

const launch = (x: Tensor, gradient: boolean, capabilities: Capabilities) => ({
  shader: 'cross_entropy',
  ...overRowsOf(
    x,
    { GRADIENT: gradient, SUBGROUPS: reducesBySubgroups(capabilities) },
    { SCALE: float(1 / x.shape[0]!) },
  ),
});

const op: Op<null> = {
  name: 'crossEntropy',
  outputs: ([logits, labels]) => {
    if (logits!.shape.length !== 2 || labels!.size !== logits!.shape[0] || labels!.dtype !== 'i32')
      misfit('crossEntropy', [logits, labels], 'logits are [batch, classes], labels int32 [batch]');
    return [{ shape: [1] }, { shape: [logits!.shape[0]!], scratch: true }];
  },
  kernels: ({ inputs: [x, labels], outputs: [loss, terms] }, { capabilities }) => [
    {
      ...launch(x!, false, capabilities),
      reads: { x: x!, labels: labels! },
      writes: { terms: terms! },
    },
    sumOf(terms!, loss!),
  ],
  gradient: ({ inputs: [logits, labels] }, [dy]) => [call(gradientOp, [logits!, labels!, dy!], null)],
  reference: ({ inputs: [logits] }, [x, labels]) => {
    const [rows, width] = logits!.shape as [number, number];
    const terms = labels!.map((label, r) => -logSoftmaxRow(x!, r * width, width)[label]! / rows);
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms];
  },
};

const gradientOp: Op<null> = {
  name: 'crossEntropyGradient',
  outputs: ([logits]) => [{ shape: logits!.shape }],
  kernels: ({ inputs: [x, labels, upstream], outputs: [dx] }, { capabilities }) => [
    {
      ...launch(x!, true, capabilities),
      reads: { x: x!, labels: labels!, upstream: upstream! },
      writes: { dx: dx! },
    },
  ],
  reference: ({ inputs: [logits] }, [x, labels, upstream]) => {
    const [rows, width] = logits!.shape as [number, number];
    const dx = new Float64Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const row = logSoftmaxRow(x!, r * width, width).map(Math.exp);
      row[labels![r]!]! -= 1;
      dx.set(
        row.map((v) => (v * upstream![0]!) / rows),
        r * width,
      );
    }
    return [dx];
  },
};

/** `logits` `[batch, classes]`, `labels` int32 `[batch]`, each in 0 .. classes - 1 -> mean loss `[1]`. */
export const crossEntropy = (logits: Tensor, labels: Tensor): Tensor => call(op, [logits, labels], null);
