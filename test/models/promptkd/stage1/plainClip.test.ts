import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTeacher } from '../../../../models/promptkd/files/loadTeacher.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { makeTinyRuns } from '../../../helpers/tinyRuns.js';

const folder = temporaryFolder('plain-clip');

it('is a run folder of a teacher without prompts, which nothing was trained for', async () => {
  const { teacher } = await makeTinyRuns(folder);
  const out = join(folder, 'plain');
  const flags = { method: 'clip' };
  const file = await teacher('plain', flags);
  expect(file).toBe(join(out, 'teacher.safetensors'));
  expect(readdirSync(out)).not.toContain('checkpoints');
  expect(readFileSync(join(out, 'config.yaml'), 'utf8')).toMatch(/^kind: teacher\nmethod: clip\n/);
  const { prompts, model } = await loadTeacher(await testJob(), out);
  expect(prompts).toEqual({ text: [], vision: [] });
  model.release();
  await expect(teacher('plain', flags)).rejects.toThrow(/exists|not empty|holds/);
  expect(await teacher('plain', flags, { resume: true })).toBe(file);
});
