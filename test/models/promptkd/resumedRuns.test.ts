/** What a run is continued with: with nothing that would change its numbers. */
import { cpSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import type { Job } from '../../../models/job.js';
import { encodeClassVectors, readClassVectors } from '../../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../../models/promptkd/classVectors/makeClassVectors.js';
import { loadTeacher } from '../../../models/promptkd/files/loadTeacher.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { interruptAfterEpoch, makeTinyRuns, type TinyRun } from '../../helpers/tinyRuns.js';
import { makeTinyWorld, type TinyWorld, writeTinyClip } from '../../helpers/tinyWorld.js';

const folder = temporaryFolder('resumed-runs');
const at = (...parts: string[]) => join(folder, ...parts);
let world: TinyWorld;
let teacher: TinyRun;
let student: TinyRun;

beforeAll(async () => {
  ({ world, teacher, student } = await makeTinyRuns(folder));
});

describe('an interrupted run', () => {
  const flags = { batch: 4, epochs: 3, classes: 'all', method: 'ivlp' };
  const { classes: _, method: __, ...studentFlags } = flags;

  it('of stage 1 goes on with no other CLIP, nor other images', async () => {
    await expect(
      teacher('stage-1', flags, { job: await testJob(interruptAfterEpoch('teacher')) }),
    ).rejects.toThrow('interrupted');
    const other = writeTinyClip(at('other-clip'), 32, 9);
    await expect(teacher('stage-1', { ...flags, clip: other }, { resume: true })).rejects.toThrow(
      /^the CLIP of .* has changed since/,
    );
    const { data } = await makeTinyWorld(at('other-world'), { train: 5 });
    await expect(teacher('stage-1', { ...flags, data }, { resume: true })).rejects.toThrow(
      /^the images of .* has changed since/,
    );
    await teacher('stage-1', flags, { resume: true });
    expect(readFileSync(at('stage-1', 'report.html'), 'utf8')).toContain('<h1>Stage 1: the teacher</h1>');
  });

  it('of stage 2 goes on with no other teacher, though it may have moved', async () => {
    await expect(
      student('stage-2', studentFlags, { job: await testJob(interruptAfterEpoch('student')) }),
    ).rejects.toThrow('interrupted');
    await teacher('other-teacher', { ...flags, seed: 2, epochs: 1 });
    const resumed = (more: object) => student('stage-2', { ...studentFlags, ...more }, { resume: true });
    await expect(resumed({ teacher: at('other-teacher') })).rejects.toThrow(
      /^the teacher of .* has changed since/,
    );
    const clip = writeTinyClip(at('other-student'), 16, 9);
    await expect(resumed({ clip })).rejects.toThrow(/^the CLIP of .* has changed since/);
    cpSync(at('teacher'), at('moved-teacher'), { recursive: true });
    await resumed({ teacher: at('moved-teacher') });
    expect(readFileSync(at('stage-2', 'report.html'), 'utf8')).toContain('<h1>Stage 2: the student</h1>');
  });

  it('of stage 2 goes on with no other class vectors', async () => {
    const job = await testJob();
    const vectors = await makeClassVectors(job, await loadTeacher(job, at('teacher')), world.classNames);
    const file = at('vectors.safetensors');
    await nodePlatform.write(file, encodeClassVectors(vectors));
    const given = { ...studentFlags, classVectors: file };
    await expect(
      student('vectors', given, { job: await testJob(interruptAfterEpoch('student')) }),
    ).rejects.toThrow('interrupted');
    await nodePlatform.write(file, encodeClassVectors({ ...vectors, vectors: vectors.vectors.toReversed() }));
    await expect(student('vectors', given, { resume: true })).rejects.toThrow(
      /^the class vectors of .* has changed since/,
    );
    await nodePlatform.write(file, encodeClassVectors(vectors));
    // A run is finished where its student is, so that comes last.
    const written: string[] = [];
    const write: Job['platform']['write'] = (path, data) => {
      written.push(basename(path));
      return job.platform.write(path, data);
    };
    const watched = { ...job, platform: { ...job.platform, write } };
    await student('vectors', given, { job: watched, resume: true });
    expect(written.slice(-3)).toEqual(['report.html', 'class-vectors.safetensors', 'student.safetensors']);
    expect(
      (await readClassVectors(nodePlatform, at('vectors', 'class-vectors.safetensors'))).vectors,
    ).toEqual(vectors.vectors);
  });
});
