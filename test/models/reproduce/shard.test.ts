import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardOf, trialsOf } from '../../../models/reproduce/shard.js';

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

it('deals every trial to one share, evenly, and keeps those of a teacher together', () => {
  const trials = fc.array(fc.record({ teacherRun: fc.nat(12).map(String), id: fc.nat() }));
  fc.assert(
    fc.property(trials, fc.integer({ min: 1, max: 7 }), (all, count) => {
      const shares = Array.from({ length: count }, (_, i) => trialsOf(all, { index: i + 1, count }));
      expect(new Set(shares.flat())).toEqual(new Set(all));
      expect(shares.flat()).toHaveLength(all.length);
      const teachers = shares.map((share) => new Set(share.map(({ teacherRun }) => teacherRun)));
      expect(teachers.reduce((sum, set) => sum + set.size, 0)).toBe(
        new Set(all.map((t) => t.teacherRun)).size,
      );
      const sizes = teachers.map((set) => set.size);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});
