/** Versions of the matmul as plain WGSL files, from naive to best: how they are described and made into shaders. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Capabilities, Level } from '../../engine/capabilities.js';
import { rootFolder } from '../environment.js';

/** C `[m, n]` = A `[m, k]` times B `[k, n]`. */
export interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/**
 * One version. Its file has an entry point `main`; bindings are 0: A `[M, K]`, 1: B `[K, N]`, 2: C `[M, N]`, float32 and row-major
 * unless `half` says that A and B are float16, packed two to a u32. `M`, `K` and `N` stand before its text as `const … : u32`,
 * and `EDGE` and `LANES` before one of level `matrix`.
 */
export interface Rung {
  /** File beside rungs.ts, without extension. */
  readonly file: string;
  /** What this version does that the one before it does not, in a line. */
  readonly idea: string;
  readonly level?: Level;
  readonly half?: boolean;
  readonly workgroups: (sizes: Sizes) => readonly [number, number, number];
  /** Sizes that it takes; all, without it. */
  readonly takes?: (sizes: Sizes) => boolean;
}

/** Edge of the adapter's cubic matrices, float16 in and float32 out, and lanes of a subgroup. */
export interface Matrices {
  readonly edge: number;
  readonly lanes: number;
}

/** What NVIDIA and others have. */
const USUAL_MATRICES: Matrices = { edge: 16, lanes: 32 };

/** The matrices that rungs of level `matrix` use; undefined where there are none, or subgroups have several sizes. */
export function matricesOf({ level, subgroupMatrix, subgroupSize }: Capabilities): Matrices | undefined {
  const found = subgroupMatrix.find(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' && resultComponentType === 'f32' && M === N && N === K && 32 % M === 0,
  );
  if (level !== 'matrix' || !found || !subgroupSize || subgroupSize[0] !== subgroupSize[1]) return undefined;
  return { edge: found.M, lanes: subgroupSize[0] };
}

/** Whether an adapter can run a rung at all. */
export function runsOn({ level = 'portable' }: Rung, capabilities: Capabilities): boolean {
  if (level === 'matrix') return matricesOf(capabilities) !== undefined;
  return level === 'portable' || capabilities.level !== 'portable';
}

/** The complete WGSL of a rung at some sizes. */
export function rungCode({ file, level }: Rung, { m, k, n }: Sizes, matrices = USUAL_MATRICES): string {
  const text = readFileSync(join(rootFolder(), 'bench', 'ladder', 'gemm', `${file}.wgsl`), 'utf8');
  // `enable` and `requires` must come before any declaration.
  const first = /^(\s*(\/\/[^\n]*)?\n|\s*(enable|requires|diagnostic)\b[^;]*;[^\n]*\n)*/.exec(text)![0];
  const constants = Object.entries({
    ...{ M: m, K: k, N: n },
    ...(level === 'matrix' && { EDGE: matrices.edge, LANES: matrices.lanes }),
  }).map(([name, value]) => `const ${name}: u32 = ${value}u;\n`);
  return first + constants.join('') + text.slice(first.length);
}
