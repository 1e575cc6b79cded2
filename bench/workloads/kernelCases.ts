/** Every kernel family at the shapes that ViT-B/16 and ViT-L/14 give it. */

import { nodeOf } from '../../engine/graph/op.js';
import { constant, type DType, type Shape, type Tensor } from '../../engine/graph/tensor.js';
import { gelu, quickGelu } from '../../engine/ops/activation.js';
import { add } from '../../engine/ops/add.js';
import { attention } from '../../engine/ops/attention.js';
import { batchNorm } from '../../engine/ops/batchNorm.js';
import { cast } from '../../engine/ops/cast.js';
import { klSoftmax } from '../../engine/ops/klSoftmax.js';
import { l2Normalize } from '../../engine/ops/l2Normalize.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { linear } from '../../engine/ops/linear.js';
import { matmul } from '../../engine/ops/matmul.js';
import { multiply } from '../../engine/ops/multiply.js';
import { patchEmbedding } from '../../engine/ops/patches.js';
import { softmax } from '../../engine/ops/softmax.js';
import { insertTokens } from '../../engine/ops/tokens.js';
import type { Precision } from '../../models/clip/precision.js';

/** In the order of the report. */
export const FAMILIES = [
  'gemm-nt',
  'gemm-nn',
  'gemm-tn',
  'gemm-batched',
  'attention',
  'layernorm',
  'batchnorm',
  'softmax',
  'kl',
  'activation',
  'patches',
  'elementwise',
] as const;
/** A group of kernels; matmuls by the layouts of A and B, N(ot) or T(ransposed), as GEMM libraries name them. */
export type Family = (typeof FAMILIES)[number];

/** A kernel at a shape. */
export interface KernelCase {
  readonly family: Family;
  /** What it computes and its shape. */
  readonly name: string;
  /** Whose shapes: a model and a batch. */
  readonly model: string;
  readonly dtype: Precision;
  /** What a run computes, from leaves without data. */
  readonly outputs: readonly Tensor[];
}

/** The sizes of an image encoder that kernels see. */
export interface EncoderSizes {
  readonly model: string;
  readonly batch: number;
  readonly tokens: number;
  readonly width: number;
  readonly patch: number;
  readonly resolution: number;
  readonly classes: number;
}

/** Student and teacher at the batches of the README's table. */
export const SIZES: readonly EncoderSizes[] = [
  { model: 'ViT-B/16', batch: 8, tokens: 197, width: 768, patch: 16, resolution: 224, classes: 1000 },
  { model: 'ViT-L/14', batch: 4, tokens: 257, width: 1024, patch: 14, resolution: 224, classes: 1000 },
];
/** Sizes that take no time. */
const QUICK_SIZES: readonly EncoderSizes[] = [
  { model: 'small', batch: 2, tokens: 17, width: 128, patch: 8, resolution: 32, classes: 60 },
];

type Build = (...inputs: Tensor[]) => Tensor;

/**
 * Records the cases of one model's sizes; nothing is computed.
 *
 * @param dtype how matrices and activations are stored; with f16 only the families that a step on tensor cores stores so
 */
export function kernelCases(sizes: EncoderSizes, dtype: Precision = 'f32'): KernelCase[] {
  const { model, batch, tokens, width, patch, resolution, classes } = sizes;
  const rows = batch * tokens;
  const heads = width / 64;
  const cases: KernelCase[] = [];
  const make = (family: Family, name: string, inputs: readonly Tensor[], build: Build) => {
    cases.push({ family, name, model: `${model}, batch ${batch}`, dtype, outputs: [build(...inputs)] });
  };
  /** The gradient with respect to the input number `to`, without the forward pass. */
  const backward = (family: Family, name: string, inputs: readonly Tensor[], build: Build, to = 0) =>
    make(family, name, inputs, (...x) => gradientAlone(build(...x), to));
  const half = (...shape: number[]) => leaf(shape, dtype);
  const full = (...shape: number[]) => leaf(shape);

  const matmuls = [
    ['qkv', width, 3 * width],
    ['out', width, width],
    ['fc', width, 4 * width],
    ['proj', 4 * width, width],
  ] as const;
  for (const [name, k, n] of matmuls) {
    const activation = name === 'fc' ? 'quickGelu' : undefined;
    make('gemm-nt', `${name} ${rows} x ${k} x ${n}`, [half(rows, k), half(n, k), full(n)], (x, w, b) =>
      linear(x, w, b, { activation, dtype }),
    );
    make('gemm-nn', `d${name} ${rows} x ${n} x ${k}`, [half(rows, n), half(n, k)], (dy, w) =>
      matmul(dy, w, { dtype }),
    );
    make('gemm-tn', `dW ${name} ${n} x ${rows} x ${k}`, [half(rows, n), half(rows, k)], (dy, x) =>
      matmul(dy, x, { transposeA: true }),
    );
  }

  const hidden = 4 * width;
  for (const [direction, one] of [
    ['forward', make],
    ['backward', backward],
  ] as const) {
    one(
      'attention',
      `${direction} ${batch} x ${heads} x ${tokens} x 64`,
      [half(batch, tokens, 3 * width)],
      (qkv) => attention(qkv, { heads, causal: false }),
    );
    one(
      'layernorm',
      `${direction} ${rows} x ${width}`,
      [full(rows, width), full(width), full(width)],
      (x, g, b) => layerNorm(x, g, b, 1e-5, dtype),
    );
    one('activation', `${direction} QuickGELU ${rows} x ${hidden}`, [half(rows, hidden)], quickGelu);
    one('activation', `${direction} GELU ${rows} x ${hidden}`, [half(rows, hidden)], gelu);
  }
  if (dtype === 'f16') return cases;

  for (const [direction, one] of [
    ['forward', make],
    ['backward', backward],
  ] as const)
    one('softmax', `${direction} ${rows * heads} x ${tokens}`, [full(rows * heads, tokens)], softmax);
  make(
    'batchnorm',
    `forward ${batch} x ${width}`,
    [full(batch, width), full(width), full(width)],
    (x, gamma, beta) => batchNorm(x, gamma, beta).y,
  );
  make(
    'gemm-batched',
    `scores ${batch * heads} x ${tokens} x 64 x ${tokens}`,
    [full(batch * heads, tokens, 64), full(batch * heads, tokens, 64)],
    (q, k) => matmul(q, k, { transposeB: true }),
  );
  make('kl', `forward ${batch} x ${classes}`, [full(batch, classes), full(batch, classes)], (p, r) =>
    klSoftmax(p, r, 1),
  );
  backward(
    'kl',
    `backward ${batch} x ${classes}`,
    [full(batch, classes), full(batch, classes)],
    (p, r) => klSoftmax(p, r, 1),
    1,
  );
  make(
    'patches',
    `embedding ${batch} x 3 x ${resolution} x ${resolution}`,
    [full(batch, 3, resolution, resolution), full(width, 3, patch, patch)],
    (x, w) => patchEmbedding(x, w),
  );
  make('elementwise', `add ${rows} x ${width}`, [full(rows, width), full(rows, width)], add);
  make('elementwise', `add a row ${rows} x ${width}`, [full(rows, width), full(width)], add);
  make('elementwise', `multiply ${rows} x ${width}`, [full(rows, width), full(rows, width)], multiply);
  make('elementwise', `to float16 ${rows} x ${width}`, [full(rows, width)], (x) => cast(x, 'f16'));
  make('elementwise', `unit rows ${rows} x ${width}`, [full(rows, width)], l2Normalize);
  make(
    'elementwise',
    `insert 4 tokens ${batch} x ${tokens} x ${width}`,
    [full(batch, tokens, width), full(4, width)],
    (x, prompts) => insertTokens(x, tokens, prompts),
  );
  return cases;
}

/** The usual yardstick of large GPUs: square matmuls of side `n`, in all three layouts. */
function squareCases(n: number, dtype: Precision): KernelCase[] {
  const side = () => leaf([n, n], dtype);
  const make = (family: Family, output: Tensor): KernelCase => ({
    family,
    name: `square ${n} x ${n} x ${n}`,
    model: 'square',
    dtype,
    outputs: [output],
  });
  return [
    make('gemm-nn', matmul(side(), side(), { dtype })),
    make('gemm-nt', matmul(side(), side(), { transposeB: true, dtype })),
    make('gemm-tn', matmul(side(), side(), { transposeA: true, dtype })),
  ];
}

/** What an adapter is measured with: small sizes for a quick look, squares only where they take no minutes. */
export function casesFor(
  { software }: { readonly software: boolean },
  dtypes: readonly Precision[],
  quick: boolean,
): KernelCase[] {
  const sizes = quick ? QUICK_SIZES : SIZES;
  return dtypes.flatMap((dtype) => [
    ...sizes.flatMap((size) => kernelCases(size, dtype)),
    ...(software || quick ? [] : squareCases(4096, dtype)),
  ]);
}

const leaf = (shape: Shape, dtype: DType = 'f32'): Tensor => constant(undefined, shape, 'input', dtype);

/** A node's gradient rule with leaves in place of what its forward pass leaves behind: that pass is then not needed. */
function gradientAlone(y: Tensor, to: number): Tensor {
  const node = nodeOf(y)!;
  const outputs = node.outputs.map(({ shape, dtype }) => leaf(shape, dtype));
  const gradients = node.outputs.map((output) => (output === y ? leaf(y.shape, y.dtype) : undefined));
  const wanted = node.inputs.map((_, i) => i === to);
  return node.op.gradient!({ ...node, outputs }, gradients, wanted)[to]!;
}
