/** The ladder's shaders for checks that compile without running. */
import type { ShaderVariant } from '../../checks/shaders/shaderVariants.js';
import { RUNGS } from './gemm/rungs.js';
import { rungCode } from './ladder.js';

/** Each of them at one shape. */
export const ladderVariants = (): ShaderVariant[] =>
  RUNGS.map((rung) => ({
    name: `ladder gemm ${rung.file}`,
    level: rung.level ?? 'portable',
    code: rungCode(rung, { m: 1576, k: 768, n: 3072 }),
    entry: 'main',
  }));
