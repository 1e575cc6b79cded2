/** y = activation(x W^T + b), as PyTorch's Linear stores W: [outputs, inputs]. */
import { type Op, record } from '../op.js';
import type { Tensor } from '../tensor.js';
import { type Activation, activationGradient, activationValue } from './activation.js';
import { type MatmulSizes, matmul, matmulDispatch, multiplyMatrices, productFlops } from './matmul.js';
import { sumLeading } from './reduce.js';
import { reshape } from './reshape.js';
import { misfit, rowsOf } from './shape.js';

interface Attributes {
  readonly activation?: Activation;
}

function sizesOf(x: Tensor, weight: Tensor): MatmulSizes {
  const { rows, width } = rowsOf(x.shape);
  return { batch: 1, m: rows, n: weight.shape[0]!, k: width, transposeA: false, transposeB: true };
}

const op: Op<Attributes> = {
  name: 'linear',
  // Output 1 is the value before the activation; stored only when a gradient reads it.
  outputs: ([x, weight, bias]) => {
    const [n, k] = weight!.shape;
    if (weight!.shape.length !== 2 || x!.shape[x!.shape.length - 1] !== k || (bias && bias.size !== n))
      misfit('linear', [x, weight, bias], 'the weight is [outputs, inputs], x is [..., inputs]');
    const shape = [...x!.shape.slice(0, -1), n!];
    return [{ shape }, { shape }];
  },
  kernels: ({ inputs: [x, weight, bias], outputs: [y, pre], attributes: { activation } }, { used }) => [
    matmulDispatch(x!, weight!, y!, sizesOf(x!, weight!), {
      bias,
      activation,
      pre: used[1] ? pre : undefined,
    }),
  ],
  gradient: (
    { inputs: [x, weight, bias], outputs: [, pre], attributes: { activation } },
    [dy],
    [wantX, wantWeight, wantBias],
  ) => {
    const n = weight!.shape[0]!;
    const { rows, width } = rowsOf(x!.shape);
    const dPre = reshape(activation ? activationGradient(pre!, dy!, activation) : dy!, [rows, n]);
    return [
      wantX ? reshape(matmul(dPre, weight!), x!.shape) : undefined,
      wantWeight ? matmul(dPre, reshape(x!, [rows, width]), { transposeA: true }) : undefined,
      wantBias ? sumLeading(dPre, bias!.shape) : undefined,
    ];
  },
  flops: ({ inputs: [x, weight] }) => productFlops(sizesOf(x!, weight!)),
  reference: ({ inputs, attributes: { activation } }, [x, weight, bias]) => {
    const pre = multiplyMatrices(x!, weight!, sizesOf(inputs[0]!, inputs[1]!));
    if (bias) for (let i = 0; i < pre.length; i++) pre[i]! += bias[i % bias.length]!;
    return [activation ? pre.map((v) => activationValue(v, activation)) : pre, pre];
  },
};

/**
 * `x` `[..., inputs]`, `weight` `[outputs, inputs]`, `bias` `[outputs]` -> `[..., outputs]`.
 * The activation is computed in the product's own kernel.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, activation?: Activation): Tensor {
  return record(op, bias ? [x, weight, bias] : [x, weight], { activation }).outputs[0]!;
}
