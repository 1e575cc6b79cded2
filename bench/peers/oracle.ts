/** Float64 reference results of a case at some indices. A time only counts if a process agrees with them. */
import { evaluate } from '../../engine/graph/reference.js';
import { activationValue } from '../../engine/kernels/activations.js';
import { grad } from '../../engine/train/autograd.js';
import { EPSILON, HEAD, inputsOf, type PeerCase } from './cases.js';
import { trainingGraph } from './trainingGraph.js';

/** Values at `places`; undefined for the encoder, whose reference is another implementation. */
export function expectedAt(work: PeerCase, places: readonly number[]): number[] | undefined {
  switch (work.kind) {
    case 'gemm': {
      const { k, n } = work;
      const { a, b } = inputsOf.gemm(work);
      return places.map((at) => {
        const [row, column] = [Math.floor(at / n), at % n];
        let sum = 0;
        for (let l = 0; l < k; l++) sum += a[row * k + l]! * b[l * n + column]!;
        return sum;
      });
    }
    case 'attention': {
      const qkv = inputsOf.attention(work);
      return places.map((at) => attentionAt(qkv, work, at));
    }
    case 'layerNorm': {
      const { width } = work;
      const { x, gamma, beta } = inputsOf.layerNorm(work);
      return places.map((at) => {
        const start = at - (at % width);
        const row = Float64Array.from(x.subarray(start, start + width));
        const mean = row.reduce((sum, v) => sum + v, 0) / width;
        const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
        const column = at - start;
        return ((row[column]! - mean) / Math.sqrt(variance + EPSILON)) * gamma[column]! + beta[column]!;
      });
    }
    case 'softmax': {
      const { width } = work;
      const x = inputsOf.softmax(work);
      return places.map((at) => {
        const start = at - (at % width);
        const row = Float64Array.from(x.subarray(start, start + width));
        const highest = row.reduce((a, b) => Math.max(a, b));
        return Math.exp(x[at]! - highest) / row.reduce((sum, v) => sum + Math.exp(v - highest), 0);
      });
    }
    case 'gelu': {
      const x = inputsOf.gelu(work);
      return places.map((at) => activationValue(x[at]!, 'gelu'));
    }
    case 'training': {
      const { loss, parameters } = trainingGraph(work);
      const gradient = grad(loss, parameters.slice(0, 1))[0]!;
      const values = evaluate([gradient]).get(gradient)!;
      return places.map((at) => values[at]!);
    }
    case 'floor': {
      const x = inputsOf.floor();
      return places.map((at) => x[at]! + 1);
    }
    case 'encoder':
      return undefined;
  }
}

function attentionAt(
  qkv: Float32Array,
  { heads, tokens }: { readonly heads: number; readonly tokens: number },
  at: number,
): number {
  const width = heads * HEAD;
  const column = at % width;
  const head = Math.floor(column / HEAD);
  const row = Math.floor(at / width);
  const first = row - (row % tokens);
  const query = row * 3 * width + head * HEAD;
  const scores = Float64Array.from({ length: tokens }, (_, t) => {
    const key = (first + t) * 3 * width + width + head * HEAD;
    let sum = 0;
    for (let d = 0; d < HEAD; d++) sum += qkv[query + d]! * qkv[key + d]!;
    return sum / Math.sqrt(HEAD);
  });
  const highest = scores.reduce((a, b) => Math.max(a, b));
  let [sum, result] = [0, 0];
  scores.forEach((score, t) => {
    const weight = Math.exp(score - highest);
    sum += weight;
    result += weight * qkv[(first + t) * 3 * width + 2 * width + column]!;
  });
  return result / sum;
}

/** The indices to compare: spread over the results by an odd step, with the first and the last one. */
export function placesOf(size: number, count = 128): number[] {
  if (size <= count) return Array.from({ length: size }, (_, i) => i);
  const step = Math.floor(size / count) | 1;
  const places = Array.from({ length: count - 1 }, (_, i) => (i * step + ((i * 37) % step)) % size);
  return [...places, size - 1];
}

/** L2 norm of the difference, relative to that of the expected values; infinite if a value is NaN or missing. */
export function relativeError(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, norm] = [0, 0];
  expected.forEach((value, i) => {
    difference += (found[i]! - value) ** 2;
    norm += value ** 2;
  });
  const error = Math.sqrt(difference) / Math.sqrt(norm || 1);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}
