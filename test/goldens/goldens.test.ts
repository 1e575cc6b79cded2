/** Reference numbers that this project did not make, on whatever adapter the tests run: see README.md beside this file. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { verify } from '../../checks/verify/detect.js';
import { testJob } from '../helpers/job.js';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Compares everything at `path`, and expects `count` items without a miss or a skipped one; returns their names. */
async function expectAll(path: string, count: number): Promise<string[]> {
  const tokenizer = file('../../emoji-clip/teacher/tokenizer.json');
  const { items } = await verify(await testJob(), file(path), { tokenizer });
  expect(items.filter(({ ok, skipped }) => !ok || skipped !== undefined)).toEqual([]);
  expect(items).toHaveLength(count);
  return items.map(({ name }) => name);
}

/** A software adapter that is busy with other work compiles the kernels of both stages for minutes. */
const TIMEOUT = 900_000;

describe('reference numbers', { timeout: TIMEOUT }, () => {
  it('of both stages are met: losses of each step, gradients, parameters, predictions', async () => {
    const names = await expectAll('stages', 68);
    const { stage1, stage2 } = JSON.parse(readFileSync(file('stages/case.json'), 'utf8'));
    expect(names.filter((name) => /^losses\.stage1\.\d+\.total$/.test(name))).toHaveLength(stage1.steps);
    expect(names.filter((name) => /^losses\.stage2\.\d+\.loss$/.test(name))).toHaveLength(stage2.steps);
    for (const part of ['stage1.grad', 'stage1.last', 'stage1.averaged', 'stage2.grad', 'stage2.last'])
      expect(names.filter((name) => name.startsWith(`expect.${part}.`)).length).toBeGreaterThan(2);
    expect(names).toEqual(expect.arrayContaining(['predictions.base', 'predictions.novel']));
  });

  it.each([
    ['a CLIP in two formats', 'formats', 4],
    ['decoding and both transforms', 'preprocess', 14],
    ['a tokenizer', 'tokenizer.json', 45],
  ])('of %s are met', async (_, path, count) => {
    await expectAll(path, count);
  });
});
