/** The matmul in float64, which kernels are compared with. */
import type { Values } from '../../graph/tensor.js';
import type { MatmulSizes } from './launch.js';

/** C `[batch, m, n]` = A B, row-major; A and B are stored as `sizes` says. */
export function matmulReference(a: Values, b: Values, sizes: MatmulSizes): Values {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const c = new Float64Array(batch * m * n);
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < m; i++) {
      // The inner loop follows the order in which B is stored.
      if (transposeB) {
        for (let j = 0; j < n; j++) {
          const column = (z * n + j) * k;
          let sum = 0;
          for (let l = 0; l < k; l++)
            sum += a[z * m * k + (transposeA ? l * m + i : i * k + l)]! * b[column + l]!;
          c[(z * m + i) * n + j] = sum;
        }
        continue;
      }
      for (let l = 0; l < k; l++) {
        const left = a[z * m * k + (transposeA ? l * m + i : i * k + l)]!;
        const row = (z * m + i) * n;
        for (let j = 0; j < n; j++) c[row + j]! += left * b[z * k * n + l * n + j]!;
      }
    }
  return c;
}
