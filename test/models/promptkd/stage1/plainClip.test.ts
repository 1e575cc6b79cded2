import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTeacher } from '../../../../models/promptkd/files/loadTeacher.js';
import { parseSettings, TeacherSettingsSchema } from '../../../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../../../models/promptkd/stage1/run.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { makeTinyWorld } from '../../../helpers/tinyWorld.js';

const folder = temporaryFolder('plain-clip');

it('is a run folder of a teacher without prompts, which nothing was trained for', async () => {
  const world = await makeTinyWorld(join(folder, 'world'));
  const out = join(folder, 'plain');
  const given = { clip: world.teacherClip, data: world.data, method: 'clip' };
  const job = await testJob();
  const settings = parseSettings(TeacherSettingsSchema, given, 'test');
  const file = await runTeacher(job, settings, out);
  expect(file).toBe(join(out, 'teacher.safetensors'));
  expect(readdirSync(out)).not.toContain('checkpoints');
  expect(readFileSync(join(out, 'config.yaml'), 'utf8')).toMatch(/^kind: teacher\nmethod: clip\n/);
  const { prompts, model } = await loadTeacher(job, out);
  expect(prompts).toEqual({ text: [], vision: [] });
  model.release();
  await expect(runTeacher(job, settings, out)).rejects.toThrow(/exists|not empty|holds/);
  expect(await runTeacher(job, settings, out, { resume: true })).toBe(file);
});
