/** The cases that are compared: their sizes and their inputs, which are seeded so that every process has the same. */
import { seededValues } from '../workloads/values.js';

/** A piece of work that every library does. */
export type PeerCase =
  | { readonly kind: 'gemm'; readonly m: number; readonly k: number; readonly n: number }
  | { readonly kind: 'attention'; readonly batch: number; readonly heads: number; readonly tokens: number }
  | { readonly kind: 'layerNorm' | 'softmax' | 'gelu'; readonly rows: number; readonly width: number }
  | { readonly kind: 'encoder'; readonly batch: number }
  | { readonly kind: 'training'; readonly rows: number; readonly width: number; readonly classes: number }
  /** 16 additions, which measures the fixed cost of a run. */
  | { readonly kind: 'floor' };

/** Columns of an attention head. */
export const HEAD = 64;
/** Added to the variance in layer normalisation. */
export const EPSILON = 1e-5;

/** The name of a case in tables. */
export function nameOf(work: PeerCase): string {
  switch (work.kind) {
    case 'gemm':
      return `GEMM ${work.m} x ${work.k} x ${work.n}`;
    case 'attention':
      return `attention ${work.batch} x ${work.heads} x ${work.tokens} x ${HEAD}`;
    case 'layerNorm':
      return `LayerNorm ${work.rows} x ${work.width}`;
    case 'softmax':
      return `softmax ${work.rows} x ${work.width}`;
    case 'gelu':
      return `GELU ${work.rows} x ${work.width}`;
    case 'encoder':
      return `ViT-B/16 encoder, batch ${work.batch}`;
    case 'training':
      return `forward + backward ${work.rows} x ${work.width} x ${work.width} x ${work.classes}`;
    case 'floor':
      return 'fixed cost of a run';
  }
}

const gemm = (m: number, k: number, n: number): PeerCase => ({ kind: 'gemm', m, k, n });

/** The cases of the published comparison: shapes of ViT-B/16 at batch 8 and ViT-L/14 at batch 4. */
export const CASES: readonly PeerCase[] = [
  { kind: 'floor' },
  gemm(1576, 768, 768),
  gemm(1576, 768, 2304),
  gemm(1576, 768, 3072),
  gemm(1576, 3072, 768),
  gemm(1028, 1024, 1024),
  gemm(1028, 1024, 3072),
  gemm(1028, 1024, 4096),
  gemm(1028, 4096, 1024),
  { kind: 'attention', batch: 8, heads: 12, tokens: 197 },
  { kind: 'layerNorm', rows: 1576, width: 768 },
  { kind: 'softmax', rows: 18912, width: 197 },
  { kind: 'gelu', rows: 1576, width: 3072 },
  { kind: 'encoder', batch: 1 },
  { kind: 'training', rows: 256, width: 768, classes: 1024 },
];

/** The same kinds at tiny sizes, for `--quick` and for tests. */
export const QUICK_CASES: readonly PeerCase[] = [
  { kind: 'floor' },
  gemm(96, 64, 128),
  { kind: 'attention', batch: 2, heads: 2, tokens: 33 },
  { kind: 'layerNorm', rows: 64, width: 128 },
  { kind: 'softmax', rows: 64, width: 33 },
  { kind: 'gelu', rows: 64, width: 128 },
  { kind: 'training', rows: 16, width: 64, classes: 48 },
];

/** The inputs of a case, row-major. */
export const inputsOf = {
  gemm: ({ m, k, n }: { m: number; k: number; n: number }) => ({
    a: seededValues(1, m * k),
    b: seededValues(2, k * n),
  }),
  /** `[batch, tokens, 3 * heads * 64]`, as queries, keys, values. */
  attention: ({ batch, heads, tokens }: { batch: number; heads: number; tokens: number }) =>
    seededValues(3, batch * tokens * 3 * heads * HEAD, 2),
  layerNorm: ({ rows, width }: { rows: number; width: number }) => ({
    x: seededValues(4, rows * width, 3),
    gamma: seededValues(5, width).map((v) => 1 + v / 2),
    beta: seededValues(6, width),
  }),
  softmax: ({ rows, width }: { rows: number; width: number }) => seededValues(7, rows * width, 4),
  gelu: ({ rows, width }: { rows: number; width: number }) => seededValues(8, rows * width, 3),
  training: ({ rows, width, classes }: { rows: number; width: number; classes: number }) => ({
    x: seededValues(9, rows * width),
    teacher: seededValues(10, rows * classes, 3),
    w1: seededValues(11, width * width, Math.sqrt(3 / width)),
    b1: seededValues(12, width, 0.1),
    gamma: seededValues(13, width).map((v) => 1 + v / 2),
    beta: seededValues(14, width, 0.1),
    w2: seededValues(15, classes * width, Math.sqrt(3 / width)),
    b2: seededValues(16, classes, 0.1),
  }),
  encoder: ({ batch }: { batch: number }) => seededValues(17, batch * 3 * 224 * 224, 2),
  floor: () => seededValues(18, 16),
};

/** Transposes `[rows, columns]` to `[columns, rows]`. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  return result;
}

/** Queries, keys or values (`part` 0, 1, 2) of `inputsOf.attention`, `[batch, tokens, heads * 64]`. */
export function partOf(qkv: Float32Array, heads: number, part: number): Float32Array {
  const width = heads * HEAD;
  const result = new Float32Array(qkv.length / 3);
  for (let row = 0; row * width < result.length; row++)
    result.set(qkv.subarray((row * 3 + part) * width, (row * 3 + part + 1) * width), row * width);
  return result;
}

/** Rearranges `[batch, tokens, heads * 64]` to `[batch, heads, tokens, 64]`. */
export function headMajor(values: Float32Array, batch: number, heads: number, tokens: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i += HEAD)
    result.set(values.subarray(i, i + HEAD), headMajorIndex(i, batch, heads, tokens));
  return result;
}

/** The index in `[batch, heads, tokens, 64]` of element `i` of `[batch, tokens, heads, 64]`. */
export function headMajorIndex(i: number, _batch: number, heads: number, tokens: number): number {
  const column = i % HEAD;
  const head = Math.floor(i / HEAD) % heads;
  const token = Math.floor(i / (HEAD * heads)) % tokens;
  const sequence = Math.floor(i / (HEAD * heads * tokens));
  return ((sequence * heads + head) * tokens + token) * HEAD + column;
}

/** Number of results; for training those of dW1, the gradient that depends on everything else. */
export function resultSize(work: PeerCase): number {
  switch (work.kind) {
    case 'gemm':
      return work.m * work.n;
    case 'attention':
      return work.batch * work.tokens * work.heads * HEAD;
    case 'encoder':
      return work.batch * 512;
    case 'training':
      return work.width * work.width;
    case 'floor':
      return 16;
    default:
      return work.rows * work.width;
  }
}

/** Floating-point operations; undefined if they do not dominate the work. */
export function flopsOf(work: PeerCase): number | undefined {
  switch (work.kind) {
    case 'gemm':
      return 2 * work.m * work.k * work.n;
    case 'attention':
      return 4 * work.batch * work.heads * work.tokens ** 2 * HEAD;
    case 'training': {
      const { rows, width, classes } = work;
      // Two matmuls forward; backward dW1, dW2 and the gradient in between. x needs no gradient.
      return 2 * rows * width * (2 * width + 3 * classes);
    }
    default:
      return undefined;
  }
}
