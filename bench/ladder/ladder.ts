/** Versions of the matrix product as plain WGSL files, from naive to best: how they are described and made into shaders. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Level } from '../../engine/gpu.js';
import { rootFolder } from '../environment.js';

export interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/**
 * One version. Its file has an entry point `main`; bindings are 0: A `[M, K]`, 1: B `[K, N]`, 2: C `[M, N]`, float32 and row-major
 * unless `half` says that A and B are float16, packed two to a u32. `M`, `K` and `N` stand before its text as `const … : u32`.
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

/** The complete WGSL of a rung at some sizes. */
export function rungCode({ file }: Rung, { m, k, n }: Sizes): string {
  const text = readFileSync(join(rootFolder(), 'bench', 'ladder', 'gemm', `${file}.wgsl`), 'utf8');
  // `enable` and `requires` must come before any declaration.
  const first = /^(\s*(\/\/[^\n]*)?\n|\s*(enable|requires|diagnostic)\b[^;]*;[^\n]*\n)*/.exec(text)![0];
  const sizes = `const M: u32 = ${m}u;\nconst K: u32 = ${k}u;\nconst N: u32 = ${n}u;\n`;
  return first + sizes + text.slice(first.length);
}
