/**
 * Rows of token sequences x [batch, tokens, width], where n = rows of `rows` [n, width]:
 *   insertTokens   y = [x before at | rows | x from at on]       replaceTokens  y = x with rows at `at` .. at + n - 1
 * and what their backward passes use
 *   removeTokens   y = x without the rows at .. at + n - 1       zeroTokens     y = x with zeros there
 *   sumTokens      y[i, c] = sum over b of x[b, at + i, c], in the order of the batch
 */

import { type Dispatch, vectors } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor, Values } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

interface Attributes {
  /** First row concerned, and how many. */
  readonly at: number;
  readonly n: number;
}

const dims = (x: Tensor) => x.shape as readonly [number, number, number];

/** A launch of tokens.wgsl; `tokens` and `width` are those of `x`. */
function dispatch(entry: string, { at, n }: Attributes, y: Tensor, x: Tensor, rows?: Tensor): Dispatch {
  const [batch, tokens, width] = dims(x);
  const { lanes, VECTOR, as } = vectors(width);
  return {
    shader: 'tokens',
    entry,
    constants: { VECTOR, MERGE: rows !== undefined },
    uniforms: {
      BATCH: batch,
      X_TOKENS: tokens,
      Y_TOKENS: y.shape[y.shape.length - 2]!,
      WIDTH: width / lanes,
      AT: at,
      COUNT: n,
    },
    reads: { x: as(x), ...(rows && { rows: as(rows) }) },
    writes: { y: as(y) },
    elements: y.size / lanes,
  };
}

/** Checks that `x` is [batch, tokens, width], `at` a whole number, and that at .. at + n - 1 are among `limit` rows. */
function checkRange(name: string, x: Tensor, { at, n }: Attributes, limit: number, rows?: Tensor): void {
  if (x.shape.length !== 3) misfit(name, [x, rows], 'the sequences must be [batch, tokens, width]');
  if (rows && (rows.shape.length !== 2 || rows.shape[1] !== x.shape[2]))
    misfit(name, [x, rows], 'the rows must be [n, width]');
  if (!Number.isInteger(at) || !Number.isInteger(n) || at < 0 || n < 1 || at + n > limit)
    misfit(name, [x, rows], `rows ${at} to ${at + n - 1} are not within ${limit} tokens`);
}

/** Walks over rows of `width` values: `from(b, t)` gives the values of row t of sequence b, undefined for zeros. */
function fill(
  [batch, tokens, width]: readonly [number, number, number],
  from: (b: number, t: number) => Values | undefined,
): Values {
  const y = new Float64Array(batch * tokens * width);
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < tokens; t++) {
      const row = from(b, t);
      if (row) y.set(row, (b * tokens + t) * width);
    }
  return y;
}

const rowOf = (x: Values, width: number, row: number): Values => x.subarray(row * width, (row + 1) * width);

const insert: Op<Attributes, [x: Tensor, rows: Tensor], [y: Tensor]> = {
  name: 'insertTokens',
  outputs: ([x, rows], attributes) => {
    const [batch, tokens, width] = dims(x);
    checkRange('insertTokens', x, attributes, tokens + attributes.n, rows);
    return [{ shape: [batch, tokens + attributes.n, width] }];
  },
  kernels: ({ inputs: [x, rows], outputs: [y], attributes }) => [dispatch('merge', attributes, y, x, rows)],
  gradient: ({ attributes: { at, n } }, [dy], [wantX, wantRows]) => [
    wantX ? removeTokens(dy, at, n) : undefined,
    wantRows ? sumTokens(dy, at, n) : undefined,
  ],
  reference: ({ inputs, attributes: { at, n } }, [x, rows]) => {
    const [batch, tokens, width] = dims(inputs[0]);
    return [
      fill([batch, tokens + n, width], (b, t) =>
        t >= at && t < at + n
          ? rowOf(rows, width, t - at)
          : rowOf(x, width, b * tokens + (t < at ? t : t - n)),
      ),
    ];
  },
};

const replace: Op<Attributes, [x: Tensor, rows: Tensor], [y: Tensor]> = {
  name: 'replaceTokens',
  outputs: ([x, rows], attributes) => {
    checkRange('replaceTokens', x, attributes, x.shape[1]!, rows);
    return [{ shape: x.shape }];
  },
  kernels: ({ inputs: [x, rows], outputs: [y], attributes }) => [dispatch('merge', attributes, y, x, rows)],
  gradient: ({ attributes: { at, n } }, [dy], [wantX, wantRows]) => [
    wantX ? zeroTokens(dy, at, n) : undefined,
    wantRows ? sumTokens(dy, at, n) : undefined,
  ],
  reference: ({ inputs, attributes: { at, n } }, [x, rows]) => {
    const [, tokens, width] = dims(inputs[0]);
    return [
      fill(dims(inputs[0]), (b, t) =>
        t >= at && t < at + n ? rowOf(rows, width, t - at) : rowOf(x, width, b * tokens + t),
      ),
    ];
  },
};

const remove: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'removeTokens',
  outputs: ([x], attributes) => {
    const [batch, tokens, width] = dims(x);
    checkRange('removeTokens', x, attributes, tokens);
    if (attributes.n === tokens) misfit('removeTokens', [x], 'one token must remain');
    return [{ shape: [batch, tokens - attributes.n, width] }];
  },
  kernels: ({ inputs: [x], outputs: [y], attributes }) => [dispatch('remove', attributes, y, x)],
  reference: ({ inputs, attributes: { at, n } }, [x]) => {
    const [batch, tokens, width] = dims(inputs[0]);
    return [fill([batch, tokens - n, width], (b, t) => rowOf(x, width, b * tokens + (t < at ? t : t + n)))];
  },
};

const zero: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'zeroTokens',
  outputs: ([x], attributes) => {
    checkRange('zeroTokens', x, attributes, x.shape[1]!);
    return [{ shape: x.shape }];
  },
  kernels: ({ inputs: [x], outputs: [y], attributes }) => [dispatch('zero', attributes, y, x)],
  reference: ({ inputs, attributes: { at, n } }, [x]) => {
    const [, tokens, width] = dims(inputs[0]);
    return [
      fill(dims(inputs[0]), (b, t) => (t >= at && t < at + n ? undefined : rowOf(x, width, b * tokens + t))),
    ];
  },
};

const sum: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'sumTokens',
  outputs: ([x], attributes) => {
    checkRange('sumTokens', x, attributes, x.shape[1]!);
    return [{ shape: [attributes.n, x.shape[2]!] }];
  },
  kernels: ({ inputs: [x], outputs: [y], attributes }) => [dispatch('sum', attributes, y, x)],
  reference: ({ inputs, attributes: { at, n } }, [x]) => {
    const [batch, tokens, width] = dims(inputs[0]);
    const y = new Float64Array(n * width);
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < y.length; i++) y[i]! += x[(b * tokens + at) * width + i]!;
    return [y];
  },
};

/** `rows` `[n, width]` put before token `at` of every sequence of `x` `[batch, tokens, width]`. */
export const insertTokens = (x: Tensor, at: number, rows: Tensor): Tensor =>
  call(insert, [x, rows], { at, n: rows.shape[0]! });

/** Tokens `at` .. `at + n - 1` of every sequence of `x` `[batch, tokens, width]` replaced by `rows` `[n, width]`. */
export const replaceTokens = (x: Tensor, at: number, rows: Tensor): Tensor =>
  call(replace, [x, rows], { at, n: rows.shape[0]! });

/** `x` `[batch, tokens, width]` without tokens `at` .. `at + n - 1`. No gradient rule. */
export const removeTokens = (x: Tensor, at: number, n: number): Tensor => call(remove, [x], { at, n });

/** `x` `[batch, tokens, width]` with tokens `at` .. `at + n - 1` set to zero. No gradient rule. */
export const zeroTokens = (x: Tensor, at: number, n: number): Tensor => call(zero, [x], { at, n });

/** Tokens `at` .. `at + n - 1` of `x` `[batch, tokens, width]` summed over the batch: `[n, width]`. No gradient rule. */
export const sumTokens = (x: Tensor, at: number, n: number): Tensor => call(sum, [x], { at, n });

/** Calls for the checks of kernels and shaders. */
export const tokensExamples = examples(() =>
  [8, 7].flatMap((width) => [
    example(
      `insertTokens ${width}`,
      [
        [2, 5, width],
        [3, width],
      ],
      (x, rows) => insertTokens(x, 1, rows),
    ),
    example(
      `replaceTokens ${width}`,
      [
        [2, 5, width],
        [3, width],
      ],
      (x, rows) => replaceTokens(x, 1, rows),
    ),
  ]),
);
