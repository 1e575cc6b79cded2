/** The table of distillation losses drives everything: a loss that is added to it is known wherever losses are. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { Schedule } from '../../../../engine/gpu/schedule.js';
import { mseMean } from '../../../../engine/ops/meanDifference.js';
import { type DistillationLoss, defineDistillationLoss } from '../../../../models/promptkd/shared/losses.js';

const entry = { compares: 'features', weight: 77, help: 'a loss of this test', distance: mseMean } as const;
const added = defineDistillationLoss('made-up', entry);

// Read the table when they are loaded.
const { addSettingsOptions } = await import('../../../../cli/settings.js');
const { PORTABLE } = await import('../../../../engine/capabilities.js');
const { KNOWN_MODELS } = await import('../../../../models/clip/knownModels.js');
const { defaultStudent } = await import('../../../../models/promptkd/shared/defaults.js');
const { usualTeacher } = await import('../../../../models/promptkd/shared/teacher.js');
const { studentRequests } = await import('../../../../models/promptkd/stage2/plan.js');

const clip = KNOWN_MODELS['ViT-B/32'];

describe('a distillation loss', () => {
  it('is a choice of kdLoss, with its own weight', () => {
    expect(defaultStudent(clip, { kdLoss: added }).kdWeight).toBe(77);
    expect(defaultStudent(clip, { kdLoss: added, kdWeight: 5 }).kdWeight).toBe(5);
    expect(() => defaultStudent(clip, { kdLoss: 'other' as DistillationLoss })).toThrow(/"made-up"/);
  });

  it('is not replaced by another of its name', () => {
    expect(defineDistillationLoss('made-up', entry)).toBe(added);
    expect(() => defineDistillationLoss('kl', entry)).toThrow('there is another distillation loss named kl');
  });

  it("is refused with the student's own text features when it compares features", () => {
    expect(() => defaultStudent(clip, { kdLoss: added, textFeatures: 'student' })).toThrow(
      /kdLoss made-up compares features/,
    );
    expect(defaultStudent(clip, { textFeatures: 'student' }).kdLoss).toBe('kl');
  });

  it('is in the help of its flags', () => {
    const help = addSettingsOptions(new Command(), 'student').helpInformation().replace(/\s+/g, ' ');
    expect(help).toContain('made-up (a loss of this test)');
    expect(help).toContain('(default: 1000; mse: 10000; made-up: 77)');
  });

  it('is what the step computes', () => {
    const kernels = (kdLoss: DistillationLoss) => {
      const settings = defaultStudent(clip, { kdLoss });
      const { train } = studentRequests(usualTeacher(clip), clip, settings, { classes: 10 });
      return new Schedule(train, PORTABLE).nodes.map(({ op }) => op.name);
    };
    expect(kernels(added)).toEqual(kernels('mse'));
    expect(kernels(added)).not.toEqual(kernels('kl'));
  });
});
