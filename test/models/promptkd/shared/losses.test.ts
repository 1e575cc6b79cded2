/** The table of distillation losses drives everything: a loss that is added to it is known wherever losses are. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { PORTABLE } from '../../../../engine/capabilities.js';
import { Schedule } from '../../../../engine/gpu/schedule.js';
import { mseMean } from '../../../../engine/ops/meanDifference.js';
import { KNOWN_MODELS } from '../../../../models/clip/knownModels.js';
import { defaultStudent } from '../../../../models/promptkd/shared/defaults.js';
import {
  DEFAULT_LOSS,
  type DistillationLoss,
  defineDistillationLoss,
  lossHelp,
  lossNames,
  lossOf,
  lossWeightHelp,
} from '../../../../models/promptkd/shared/losses.js';
import { usualTeacher } from '../../../../models/promptkd/shared/teacher.js';
import { studentRequests } from '../../../../models/promptkd/stage2/plan.js';

const entry = { compares: 'features', weight: 77, help: 'a loss of this test', distance: mseMean } as const;
/** Its name; called by each test, as a fault in it must not keep this file from loading. */
const added = () => defineDistillationLoss('made-up', entry);

const clip = KNOWN_MODELS['ViT-B/32'];

describe('the table of losses', () => {
  it('is told by names, all or those of one kind', () => {
    added();
    expect(lossNames()).toEqual(['kl', 'symmetric-kl', 'l1', 'mse', 'made-up']);
    expect(lossNames('logits')).toEqual(['kl', 'symmetric-kl']);
    expect(lossNames('features')).toEqual(['l1', 'mse', 'made-up']);
  });

  it("has the weights that settings take, the paper's for its own loss", () => {
    added();
    expect(DEFAULT_LOSS).toBe('kl');
    expect(lossNames().map((name) => lossOf(name).weight)).toEqual([1000, 1000, 1000, 10_000, 77]);
    expect(lossOf(added())).toBe(entry);
  });

  it('is described by kind, and its weights where they are not the usual one', () => {
    added();
    expect(lossHelp()).toMatch(
      /^kl \(KL .+\), symmetric-kl \(.+\) on logits; l1 \(.+\), mse \(.+\), made-up \(a loss of this test\) on unit image features$/,
    );
    expect(lossWeightHelp()).toBe('1000; mse: 10000; made-up: 77');
  });
});

describe('a distillation loss', () => {
  it('is a choice of kdLoss, with its own weight', () => {
    expect(defaultStudent(clip, { kdLoss: added() }).kdWeight).toBe(77);
    expect(defaultStudent(clip, { kdLoss: added(), kdWeight: 5 }).kdWeight).toBe(5);
    expect(() => defaultStudent(clip, { kdLoss: 'other' as DistillationLoss })).toThrow(/"made-up"/);
  });

  it('is not replaced by another of its name', () => {
    expect(added()).toBe('made-up');
    expect(added()).toBe('made-up');
    expect(() => defineDistillationLoss('kl', entry)).toThrow('there is another distillation loss named kl');
  });

  it("is refused with the student's own text features when it compares features", () => {
    expect(() => defaultStudent(clip, { kdLoss: added(), textFeatures: 'student' })).toThrow(
      /kdLoss made-up compares features/,
    );
    expect(defaultStudent(clip, { textFeatures: 'student' }).kdLoss).toBe('kl');
  });

  it('is in the help of its flags', async () => {
    added();
    // Reads the table when it is loaded.
    const { addSettingsOptions } = await import('../../../../cli/settings.js');
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
    expect(kernels(added())).toEqual(kernels('mse'));
    expect(kernels(added())).not.toEqual(kernels('kl'));
  });
});
