import fc from 'fast-check';
import { expect, it } from 'vitest';
import { trialsOf } from '../../../models/reproduce/trials.js';

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
