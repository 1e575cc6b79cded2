/** Runs that are interrupted and continued, as jobs and with the built command line: the same bits as in one go. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';

const folder = temporaryFolder('resume');
const at = (...parts: string[]) => join(folder, ...parts);
const data = at('data');
beforeAll(() => drawFewEmoji(data));

describe('a run that is interrupted', () => {
  const bytes = (run: string, file: string) => readFileSync(at(run, file)).toString('hex');
  /** Throws when the progress of `label` exceeds `after`. */
  const interrupted = (label: string, after: number) =>
    testJob((current, done) => {
      if (current.startsWith(label) && done > after) throw new Error('interrupted');
    });
  const teacherSettings = parseSettings(
    TeacherSettingsSchema,
    { clip: emojiTeacher, data, shots: 2, epochs: 3, batch: 2, visionDepth: 1, textDepth: 1 },
    'test',
  );

  it('ends with the same bits in stage 1', async () => {
    await runTeacher(await testJob(), teacherSettings, at('whole-teacher'));
    // An epoch has two steps; this stops within the second epoch.
    await expect(
      runTeacher(await interrupted('stage 1', 2), teacherSettings, at('resumed-teacher')),
    ).rejects.toThrow('interrupted');
    expect(existsSync(at('resumed-teacher', 'teacher.safetensors'))).toBe(false);
    await runTeacher(await testJob(), teacherSettings, at('resumed-teacher'), { resume: true });
    for (const file of ['teacher.safetensors', 'config.yaml', 'checkpoints/epoch-0003.safetensors'])
      expect(bytes('resumed-teacher', file), file).toBe(bytes('whole-teacher', file));
  });

  it('ends with the same bits in stage 2, with new and with fixed crops', async () => {
    for (const views of [0, 2]) {
      const settings = parseSettings(
        StudentSettingsSchema,
        {
          clip: emojiStudent,
          data,
          teacher: at('whole-teacher'),
          epochs: 2,
          batch: 8,
          views,
          visionDepth: 2,
        },
        'test',
      );
      const [whole, resumed] = [`whole-${views}`, `resumed-${views}`];
      await runStudent(await testJob(), settings, at(whole));
      await expect(runStudent(await interrupted('stage 2', 2), settings, at(resumed))).rejects.toThrow(
        'interrupted',
      );
      await runStudent(await testJob(), settings, at(resumed), { resume: true });
      for (const file of ['student.safetensors', 'class-vectors.safetensors'])
        expect(bytes(resumed, file), `${file}, ${views} views`).toBe(bytes(whole, file));
    }
  });

  it('continues with --resume alone, with the settings in its folder', () => {
    const settings = [
      '--clip',
      emojiTeacher,
      '--data',
      data,
      '--shots',
      '2',
      '--epochs',
      '1',
      '--batch',
      '2',
    ];
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = promptkd(['teacher', ...args, '--out', 'again'], folder);
      expect(status, stderr).toBe(0);
      return stdout;
    };
    run(...settings);
    const before = bytes('again', 'teacher.safetensors');
    expect(run('--resume')).toContain('the teacher is in again');
    expect(bytes('again', 'teacher.safetensors')).toBe(before);
    const other = promptkd(['teacher', '--resume', '--epochs', '2', '--out', 'again'], folder);
    expect(other.status).toBe(2);
    expect(other.stderr).toMatch(/again has other settings: epochs is 1 there and 2 now\nhint: /);
  });
});
