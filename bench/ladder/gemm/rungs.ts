/** The ladder of the matrix product. People read the files from the first to the last: each adds one idea. */
import type { Rung } from '../ladder.js';

const tiles = (size: number, tile: number) => Math.ceil(size / tile);

export const RUNGS: readonly Rung[] = [
  {
    file: '1_naive',
    idea: 'one result an invocation, operands straight from memory',
    workgroups: ({ m, n }) => [tiles(n, 8), tiles(m, 8), 1],
  },
];
