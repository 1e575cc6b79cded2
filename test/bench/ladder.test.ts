import { afterAll, describe, expect, it } from 'vitest';
import { fromFile, toleranceOf } from '../../bench/ladder/command.js';
import { RUNGS } from '../../bench/ladder/gemm/rungs.js';
import { rungCode, runsOn } from '../../bench/ladder/ladder.js';
import { inputsOf } from '../../bench/peers/cases.js';
import { relativeError } from '../../bench/peers/oracle.js';
import { openGpu } from '../../engine/gpu/gpu.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant } from '../../engine/graph/tensor.js';
import { matmul } from '../../engine/ops/matmul.js';

const gpu = await openGpu();
afterAll(() => gpu.destroy());

describe('the matmul ladder', () => {
  // check:shaders compiles what the adapter cannot run.
  const runnable = RUNGS.filter((rung) => runsOn(rung, gpu.capabilities));

  it.each(runnable)('$file computes all results, edges included', async (rung) => {
    // Rows that do not fill a tile, columns that fill two; tensor-core kernels only take whole tiles.
    const sizes = rung.level === 'matrix' ? { m: 128, k: 64, n: 128 } : { m: 71, k: 64, n: 128 };
    if (rung.takes) expect(rung.takes(sizes)).toBe(true);
    const { a, b } = inputsOf.gemm(sizes);
    const product = matmul(constant(a, [sizes.m, 64]), constant(b, [64, 128]));
    const expected = evaluate([product]).get(product)!;
    const version = await fromFile(gpu, rung, sizes, { a, b });
    await version.runner.run(1);
    expect(relativeError([...(await version.read())], [...expected])).toBeLessThan(toleranceOf(rung));
    version.destroy();
  });

  it('puts sizes before the text, but after directives', () => {
    const code = rungCode(RUNGS[0]!, { m: 3, k: 5, n: 7 });
    expect(code).toMatch(
      /^\/\/ C = A B[^@]*const M: u32 = 3u;\nconst K: u32 = 5u;\nconst N: u32 = 7u;\n[^@]*@group/,
    );
  });
});
