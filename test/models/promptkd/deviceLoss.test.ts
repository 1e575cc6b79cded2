/** A device that is destroyed in the middle of a run: opened again, and the same bits. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { DeviceLostError } from '../../../engine/gpu/gpu.js';
import type { Job } from '../../../models/job.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../../models/promptkd/stage1/run.js';
import { runStudent } from '../../../models/promptkd/stage2/run.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../../helpers/emojiData.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { countSubmissions, losingJob } from '../../helpers/losingJob.js';

const folder = temporaryFolder('device-loss');
const at = (...parts: string[]) => join(folder, ...parts);
const training = { batch: 4, epochs: 3, visionDepth: 1, visionLength: 2 };
const stages = {
  teacher: (job: Job, out: string) =>
    runTeacher(
      job,
      parseSettings(
        TeacherSettingsSchema,
        { ...training, clip: emojiTeacher, data: at('data'), shots: 2, textDepth: 1 },
        'test',
      ),
      out,
      { checkpointMinutes: 0 },
    ),
  student: (job: Job, out: string) =>
    runStudent(
      job,
      parseSettings(
        StudentSettingsSchema,
        { ...training, clip: emojiStudent, data: at('data'), teacher: at('teacher') },
        'test',
      ),
      out,
      { checkpointMinutes: 0 },
    ),
};

beforeAll(() => drawFewEmoji(at('data')));

it('goes on after each of three losses, to the same bits', async () => {
  await stages.teacher(await testJob(), at('teacher'));
  const submissions = await countSubmissions(await testJob(), async () =>
    stages.student(await testJob(), at('student')),
  );
  // In the loading, and twice among the steps; `npm run torture -- device` tries any place.
  const among = Math.round(0.3 * submissions);
  const { job, notes, opened, close } = await losingJob([3, among, among]);
  await stages.student(job, at('lost'));
  close();
  expect(opened()).toBe(4);
  expect(notes.filter((line) => /device was lost .*opening it again/.test(line))).toHaveLength(3);
  for (const name of ['student.safetensors', 'class-vectors.safetensors', 'metrics.jsonl'])
    expect(readFileSync(at('lost', name)).equals(readFileSync(at('student', name))), name).toBe(true);
});

it('ends after the fourth loss with what is saved, and can be continued', async () => {
  const { job, opened, close } = await losingJob([3, 3, 3, 3]);
  const error = await stages.teacher(job, at('unlucky')).catch((e: unknown) => e);
  close();
  expect(error).toBeInstanceOf(DeviceLostError);
  expect((error as Error).message).toMatch(/lost 4 times: continue later with --resume/);
  expect(opened()).toBe(4);
  expect(existsSync(at('unlucky', 'teacher.safetensors'))).toBe(false);
});
