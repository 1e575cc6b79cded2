/**
 * y[m] = x[indices[m]], and its backward pass x[n] = sum over the m with indices[m] = n of y[m].
 * An index outside 0 .. N - 1 means the nearest row inside, in both: hosts check their indices where they matter.
 */

import { type Dispatch, vectors } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor, Values } from '../graph/tensor.js';
import { cast } from './cast.js';
import { example, examples, indices } from './example.js';
import { reshape } from './reshape.js';
import { misfit } from './shape.js';

const clampTo = (index: number, count: number) => Math.max(0, Math.min(index, count - 1));

const gather: Op<null, [x: Tensor, indices: Tensor], [y: Tensor]> = {
  name: 'gatherRows',
  half: true,
  outputs: ([x, indices]) => {
    checkIndices('gatherRows', x, indices);
    return [{ shape: [indices.size, x.shape[1]!], dtype: x.dtype }];
  },
  kernels: ({ inputs: [x, indices], outputs: [y] }) => {
    const [count, width] = x.shape as [number, number];
    const { lanes, as } = vectors(width);
    const row = width / lanes;
    return [
      {
        shader: 'gather',
        entry: 'gather',
        constants: { GATHER: true },
        uniforms: { WIDTH: row, ROWS: count },
        reads: { x: as(x), indices },
        writes: { y: as(y) },
        elements: indices.size * row,
      },
    ];
  },
  gradient: ({ inputs: [x, indices] }, [dy], [wantX]) => [
    wantX ? scatterRows(dy, indices, x.shape[0]!) : undefined,
    undefined,
  ],
  reference: ({ inputs: [xTensor] }, [x, indices]) => {
    const [count, width] = xTensor.shape as [number, number];
    const y = new Float64Array(indices.length * width);
    indices.forEach((index, m) => {
      const row = clampTo(index, count);
      y.set(x.subarray(row * width, (row + 1) * width), m * width);
    });
    return [y];
  },
};

/**
 * Without atomics, and duplicates added in the order of m: `link` finds for every m whether it is the first with its
 * index and which one follows, `clear` writes zeros, `add` walks each list from its first m.
 * Reads M² indices, writes N * W + (distinct indices) * W values: for M in the thousands the zeros of a whole token
 * table cost more than the search.
 */
const scatter: Op<{ readonly count: number }, [y: Tensor, indices: Tensor], [x: Tensor, links: Tensor]> = {
  name: 'scatterRows',
  half: true,
  outputs: ([y, indices], { count }) => {
    checkIndices('scatterRows', y, indices);
    const [rows, width] = y.shape as [number, number];
    if (rows !== indices.size) misfit('scatterRows', [y, indices], 'one index a row is needed');
    if (!Number.isInteger(count) || count < 1) misfit('scatterRows', [y], `${count} rows cannot be made`);
    return [
      { shape: [count, width], dtype: y.dtype },
      { shape: [rows, 2], dtype: 'i32', scratch: true },
    ];
  },
  kernels: ({ inputs: [y, indices], outputs: [x, links], attributes: { count } }): Dispatch[] => {
    const [m, width] = y.shape as [number, number];
    const { lanes, VECTOR, as } = vectors(width);
    const row = width / lanes;
    const uniforms = { COUNT: m, WIDTH: row, ROWS: count };
    return [
      {
        shader: 'gather',
        entry: 'link',
        constants: { LINK: true },
        uniforms,
        reads: { indices },
        writes: { links },
        elements: m,
      },
      {
        shader: 'gather',
        entry: 'clear',
        constants: { CLEAR: true, VECTOR },
        uniforms,
        reads: {},
        writes: { x: as(x) },
        elements: count * row,
      },
      {
        shader: 'gather',
        entry: 'add',
        constants: { ADD: true },
        uniforms,
        reads: { y: as(y), indices, links },
        writes: { x: as(x) },
        elements: m * row,
      },
    ];
  },
  reference: ({ inputs: [yTensor], attributes: { count } }, [y, indices]) => {
    const width = yTensor.shape[1];
    const x = new Float64Array(count * width!);
    indices.forEach((index, m) => {
      const row = clampTo(index, count) * width!;
      for (let c = 0; c < width!; c++) x[row + c]! += y[m * width! + c]!;
    });
    return [x, linksOf(indices, count)];
  },
};

/** For each m: 1 if no earlier m has its index, and the next m that has it (or their number). */
function linksOf(indices: Values, count: number): Values {
  const links = new Float64Array(indices.length * 2);
  const last = new Map<number, number>();
  indices.forEach((index, m) => {
    const row = clampTo(index, count);
    const before = last.get(row);
    if (before !== undefined) links[before * 2 + 1] = m;
    links[m * 2] = before === undefined ? 1 : 0;
    links[m * 2 + 1] = indices.length;
    last.set(row, m);
  });
  return links;
}

function checkIndices(name: string, rows: Tensor, indices: Tensor): void {
  if (rows.shape.length !== 2) misfit(name, [rows, indices], 'the first must be [rows, width]');
  if (indices.shape.length !== 1 || indices.dtype !== 'i32')
    misfit(name, [rows, indices], 'the indices must be int32 [count]');
}

/** Rows of `x` `[N, W]` by `indices`, int32 `[M]` -> `[M, W]`. Indices outside 0 .. N - 1 mean the nearest row inside. */
export const gatherRows = (x: Tensor, indices: Tensor): Tensor => call(gather, [x, indices], null);

/**
 * The backward pass of `gatherRows`: rows of `y` `[M, W]` added into `count` rows of zeros at `indices`, int32 `[M]` ->
 * `[count, W]`. No gradient rule.
 */
export const scatterRows = (y: Tensor, indices: Tensor, count: number): Tensor =>
  call(scatter, [y, indices], { count });

/** Rows of `table` `[vocabulary, width]` for `tokens`, int32 `[batch, length]` -> `[batch, length, width]`. */
export function embedding(table: Tensor, tokens: Tensor): Tensor {
  const [batch, length] = tokens.shape as [number, number];
  if (tokens.shape.length !== 2) misfit('embedding', [table, tokens], 'the tokens must be [batch, length]');
  return reshape(gatherRows(table, reshape(tokens, [tokens.size])), [batch, length, table.shape[1]!]);
}

/** Calls for the checks of kernels and shaders. */
export const gatherRowsExamples = examples(() => [
  example('gatherRows', [[5, 7]], (x) => gatherRows(x, indices([4, 0, 4], [3]))),
  example('gatherRows by vectors', [[5, 8]], (x) => gatherRows(x, indices([4, 0, 4], [3]))),
  example('gatherRows in float16', [[3, 8]], (x) =>
    cast(gatherRows(cast(x, 'f16'), indices([2, 0, 2], [3])), 'f32'),
  ),
  example('embedding', [[5, 7]], (table) => embedding(table, indices([1, 2, 3, 4], [2, 2]))),
]);
