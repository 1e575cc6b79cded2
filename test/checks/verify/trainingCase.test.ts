/** `verify` takes training cases of other sizes than the golden one: each of these differs from it in several ways. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verify } from '../../../checks/verify/detect.js';
import { withCapabilities } from '../../helpers/check.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { type CaseShape, writeTrainingCase } from '../../helpers/trainingCase.js';

const folder = temporaryFolder('training-case');

const odd: CaseShape = {
  seed: 1,
  classes: 5,
  templates: 1,
  resolution: 32,
  teacher: { embed: 40, width: 128, layers: 2, textLayers: 1, patch: 16 },
  student: { embed: 24, layers: 2, patch: 8 },
  prompts: { text: 1, vision: 2, student: 1, textLength: 2, visionLength: 3 },
  epochs: 3,
  batch: 3,
  temperature: 2.5,
};

describe('a training case', () => {
  it.each<[string, Partial<CaseShape>]>([
    ['odd classes, three epochs, a temperature, deeper in vision', {}],
    [
      'one epoch, an embedding larger than the student, deeper in text',
      {
        seed: 2,
        classes: 4,
        templates: 2,
        epochs: 1,
        // Not 2: BatchNorm over two rows all but cancels, and float32 noise is all that is left of some gradients.
        batch: 6,
        teacher: { embed: 64, width: 64, layers: 1, textLayers: 2, patch: 8 },
        prompts: { text: 2, vision: 1, student: 2, textLength: 5, visionLength: 1 },
      },
    ],
  ])('with %s is met on every item', async (_, changes) => {
    const shape = { ...odd, ...changes };
    const report = await verify(await testJob(), writeTrainingCase(join(folder, String(shape.seed)), shape));
    expect(report.kind).toBe('training case');
    expect(report.items.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.items.length).toBeGreaterThan(40);
  });

  it('in float16 is met on every loss without tensor cores', async () => {
    const path = writeTrainingCase(join(folder, 'half'), odd);
    const job = await testJob();
    const gpu = withCapabilities(job.gpu, { subgroupMatrix: [] });
    const { items } = await verify({ ...job, gpu, precision: 'f16' }, path);
    expect(items.filter(({ ok }) => !ok)).toEqual([]);
    expect(items.map(({ name }) => name)).toContain('losses.stage2.0.loss');
  });

  it('with other numbers misses, at the items that they are of', async () => {
    const path = writeTrainingCase(join(folder, 'wrong'), { ...odd, epochs: 1 });
    const file = join(path, 'case.json');
    const given = JSON.parse(readFileSync(file, 'utf8'));
    given.losses.stage1[1].ce *= 1.01;
    given.predictions.base[0] += 1;
    writeFileSync(file, JSON.stringify(given));
    const { items } = await verify(await testJob(), path);
    expect(items.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([
      'losses.stage1.1.ce',
      'predictions.base',
    ]);
    given.stage1.epochs = 0;
    writeFileSync(file, JSON.stringify(given));
    await expect(verify(await testJob(), path)).rejects.toThrow(/case\.json: stage1\.epochs/);
  });
});
