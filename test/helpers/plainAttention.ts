/** Attention in plain operations, which write every score to memory: what the fused kernels are compared with. */

import { constant, scalar, type Tensor } from '../../engine/graph/tensor.js';
import { gatherRows } from '../../engine/ops/gatherRows.js';
import { matmul } from '../../engine/ops/matmul.js';
import { multiply } from '../../engine/ops/multiply.js';
import { reshape } from '../../engine/ops/reshape.js';
import { softmax } from '../../engine/ops/softmax.js';

/** `qkv` `[batch, tokens, 3 * 64 * heads]` -> `[batch, tokens, 64 * heads]`, every query seeing every key. */
export function plainAttention(qkv: Tensor, heads: number): Tensor {
  const [batch, tokens] = qkv.shape as [number, number];
  const rows = reshape(qkv, [batch * tokens * 3 * heads, 64]);
  const pick = (x: Tensor, index: (b: number, h: number, t: number) => number, headFirst: boolean) => {
    const indices = new Int32Array(batch * heads * tokens);
    for (let b = 0; b < batch; b++)
      for (let h = 0; h < heads; h++)
        for (let t = 0; t < tokens; t++)
          indices[headFirst ? (b * heads + h) * tokens + t : (b * tokens + t) * heads + h] = index(b, h, t);
    return gatherRows(x, constant(indices, [indices.length]));
  };
  const [q, k, v] = [0, 1, 2].map((part) =>
    reshape(
      pick(rows, (b, h, t) => ((b * tokens + t) * 3 + part) * heads + h, true),
      [batch * heads, tokens, 64],
    ),
  );
  const scores = multiply(matmul(q!, k!, { transposeB: true }), scalar(1 / 8));
  const o = reshape(matmul(softmax(scores), v!), [batch * heads * tokens, 64]);
  return reshape(
    pick(o, (b, h, t) => (b * heads + h) * tokens + t, false),
    [batch, tokens, 64 * heads],
  );
}
