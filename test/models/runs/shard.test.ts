import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../models/runs/shard.js';

describe('the share of a process', () => {
  it.each<[string, string | undefined, Record<string, string>, { index: number; count: number } | undefined]>(
    [
      ['everything', undefined, {}, undefined],
      [
        'as the user says',
        '2/3',
        { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_COUNT: '9' },
        { index: 2, count: 3 },
      ],
      [
        'of Slurm, from 1',
        undefined,
        { SLURM_ARRAY_TASK_ID: '4', SLURM_ARRAY_TASK_COUNT: '4' },
        { index: 4, count: 4 },
      ],
      [
        'of Slurm, from 0',
        undefined,
        { SLURM_ARRAY_TASK_ID: '0', SLURM_ARRAY_TASK_MIN: '0', SLURM_ARRAY_TASK_COUNT: '2' },
        { index: 1, count: 2 },
      ],
      [
        'of Slurm, in steps',
        undefined,
        {
          ...{ SLURM_ARRAY_TASK_ID: '6', SLURM_ARRAY_TASK_MIN: '2', SLURM_ARRAY_TASK_STEP: '2' },
          SLURM_ARRAY_TASK_COUNT: '3',
        },
        { index: 3, count: 3 },
      ],
      ['of Kubernetes', '5', { JOB_COMPLETION_INDEX: '0' }, { index: 1, count: 5 }],
      ['of Kubernetes without a count', undefined, { JOB_COMPLETION_INDEX: '0' }, undefined],
    ],
  )('%s', (_, given, environment, expected) => {
    expect(shardOf(given, environment)).toEqual(expected);
  });

  it.each<[string, string | undefined, Record<string, string>]>([
    ['no share 0 of 3', '0/3', {}],
    ['no share 4 of 3', '4/3', {}],
    ['--shard half is not a share', 'half', {}],
    ['neither Kubernetes nor Slurm says which one', '3', {}],
    ['JOB_COMPLETION_INDEX: there is no share 4 of 3', '3', { JOB_COMPLETION_INDEX: '3' }],
    ['SLURM_ARRAY_TASK_ID is "x"', undefined, { SLURM_ARRAY_TASK_ID: 'x', SLURM_ARRAY_TASK_COUNT: '2' }],
    ['there is no share 9 of 2', undefined, { SLURM_ARRAY_TASK_ID: '9', SLURM_ARRAY_TASK_COUNT: '2' }],
  ])('refuses: %s', (message, given, environment) => {
    expect(() => shardOf(given, environment)).toThrow(message);
  });
});
