/** The ladder of the matmul, to be read from the first file to the last: each adds one idea. */
import type { Rung, Sizes } from '../ladder.js';

/** The grid, if a workgroup computes `rows` x `columns` results. */
const tiles =
  (rows: number, columns: number) =>
  ({ m, n }: Sizes): [number, number, number] => [Math.ceil(n / columns), Math.ceil(m / rows), 1];

const multiples =
  (ofK: number, ofN: number) =>
  ({ k, n }: Sizes): boolean =>
    k % ofK === 0 && n % ofN === 0;

/** All versions, from the naive one on. */
export const RUNGS: readonly Rung[] = [
  {
    file: '1_naive',
    idea: 'one result an invocation, operands straight from memory',
    workgroups: tiles(8, 8),
  },
  {
    file: '2_vectors',
    idea: 'four columns an invocation, in vectors',
    workgroups: tiles(8, 32),
    takes: multiples(1, 4),
  },
  {
    file: '3_register_tile_4x4',
    idea: '4 x 4 results an invocation, in registers',
    workgroups: tiles(32, 32),
    takes: multiples(1, 4),
  },
  {
    file: '4_register_tile_8x8',
    idea: '8 x 8 results an invocation',
    workgroups: tiles(64, 64),
    takes: multiples(1, 4),
  },
  {
    file: '5_shared_memory_32',
    idea: 'tiles of 32 x 32 shared through workgroup memory, 4 x 4 an invocation',
    workgroups: tiles(32, 32),
    takes: multiples(32, 32),
  },
  {
    file: '6_shared_memory_64',
    idea: 'shared tiles of 64 x 64, 8 x 8 an invocation',
    workgroups: tiles(64, 64),
    takes: multiples(16, 64),
  },
  {
    file: '7_shared_memory_128',
    idea: 'shared tiles of 128 x 128, the next step fetched ahead, any row count and width',
    workgroups: tiles(128, 128),
    takes: multiples(16, 4),
  },
  {
    file: '8_subgroup_broadcast',
    idea: 'values of A broadcast between the lanes of a subgroup, no workgroup memory',
    level: 'subgroups',
    workgroups: tiles(16, 64),
    takes: multiples(1, 4),
  },
  {
    file: '9_float16',
    idea: '8 x 8 results an invocation from float16 operands',
    half: true,
    workgroups: tiles(64, 64),
    takes: multiples(4, 8),
  },
  {
    file: '10_tensor_core',
    idea: 'subgroup matrices of float16 with sums in float32 (experimental)',
    level: 'matrix',
    half: true,
    workgroups: tiles(128, 128),
    takes: ({ m, n, k }) => m % 128 === 0 && n % 128 === 0 && k % 32 === 0,
  },
];
