/** Versions of one kernel as plain WGSL files, from naive to best, run on the same data. */

/** A step of a ladder. */
export interface Rung {
  /** File in the kernel's folder, without extension. */
  readonly file: string;
  /** What this version does that the one before it does not. */
  readonly idea: string;
  /**
   * Bindings 0 and 1 are A `[m, k]` and B `[k, n]`, 2 is C `[m, n]`, all float32, row-major. `M`, `N`, `K` stand before the file's
   * text as `const … : u32`.
   */
  readonly entry?: string;
  /** Workgroups for a product of m x n results. */
  readonly workgroups: (m: number, n: number) => readonly [number, number, number];
  /** Sizes that it takes; all, without it. */
  readonly takes?: (m: number, k: number, n: number) => boolean;
}
