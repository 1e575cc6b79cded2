/** The teacher's features on disk: stored safely, shared by what they depend on, and with the same losses as the first run. */
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { fromHalf, toHalf } from '../../../../engine/half.js';
import type { Job } from '../../../../models/job.js';
import { parseSettings, StudentSettingsSchema } from '../../../../models/promptkd/shared/settings.js';
import { FeatureCache } from '../../../../models/promptkd/stage2/featureCache.js';
import { runStudent } from '../../../../models/promptkd/stage2/run.js';
import { TestRandom } from '../../../helpers/check.js';
import { drawFewEmoji, emojiStudent } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { makeTeacherRun } from '../../../helpers/studentRun.js';

const folder = temporaryFolder('teacher-cache');
const at = (...parts: string[]) => join(folder, ...parts);

describe('FeatureCache', () => {
  const WIDTH = 5;
  const random = new TestRandom(1);
  const notes: string[] = [];
  const open = (root: string, owner: Record<string, string> = { teacher: 'a' }) =>
    FeatureCache.open(nodePlatform, at(root), owner, WIDTH, (line) => notes.push(line));
  /** Keys `from` to `to` with rows that depend on nothing but the key. */
  const fill = (cache: FeatureCache, from: number, to: number) => {
    for (let i = from; i < to; i++) cache.add(`key ${i}`, new TestRandom(i).array(WIDTH));
  };

  it('gives rows rounded to float16, at once and after they were read again', async () => {
    const cache = await open('rows');
    const row = random.array(WIDTH);
    cache.add('a', row);
    const rounded = fromHalf(toHalf(row));
    expect(rounded).not.toEqual(row);
    expect(await cache.rows(['a'])).toEqual(rounded);
    await cache.flush();
    fill(cache, 0, 9);
    await cache.flush();
    fill(cache, 9, 10);
    // In one shard, behind one another and not, in another one, and not written yet.
    const asked = [2, 3, 4, 0, 9, 7, 8].map((i) => `key ${i}`);
    const expected = [2, 3, 4, 0, 9, 7, 8].flatMap((i) => [
      ...fromHalf(toHalf(new TestRandom(i).array(WIDTH))),
    ]);
    const all = Float32Array.from([...rounded, ...expected, ...rounded]);
    expect(await cache.rows(['a', ...asked, 'a'])).toEqual(all);
    await cache.flush();
    const again = await open('rows');
    expect([again.size, again.bytes]).toEqual([11, cache.bytes]);
    expect(await again.rows(['a', ...asked, 'a'])).toEqual(all);
    expect((await open('rows', { teacher: 'b' })).size).toBe(0);
  });

  it('takes the rows of two writers at once', async () => {
    const [one, two] = [await open('two'), await open('two')];
    fill(one, 0, 6);
    fill(two, 4, 9);
    await Promise.all([one.flush(), two.flush()]);
    const both = await open('two');
    expect(both.size).toBe(9);
    expect(await both.rows(['key 5', 'key 8'])).toEqual(
      Float32Array.from([...(await one.rows(['key 5'])), ...(await two.rows(['key 8']))]),
    );
  });

  it('uses no row that has changed since its shard was found whole', async () => {
    const cache = await open('changed');
    fill(cache, 0, 4);
    await cache.flush();
    const path = join(cache.folder, readdirSync(cache.folder).find((name) => name.endsWith('.safetensors'))!);
    const whole = readFileSync(path);
    const opened = await open('changed');
    const row = fromHalf(toHalf(new TestRandom(2).array(WIDTH)));
    const damaged = Buffer.from(whole);
    const at = whole.indexOf(Buffer.from(toHalf(row).buffer));
    damaged[at + 3]! ^= 1;
    writeFileSync(path, damaged);
    for (const reader of [cache, opened]) {
      await expect(reader.rows(['key 1', 'key 2'])).rejects.toThrow(/row 2 has changed since it was opened/);
      expect(await reader.rows(['key 1'])).toEqual(fromHalf(toHalf(new TestRandom(1).array(WIDTH))));
    }
    writeFileSync(path, whole);
    expect(await opened.rows(['key 2'])).toEqual(row);
  });

  it('leaves a damaged shard aside with a note, and half a file of a killed process without one', async () => {
    const cache = await open('damaged');
    fill(cache, 0, 2);
    await cache.flush();
    const first = readdirSync(cache.folder).find((name) => name.endsWith('.safetensors'))!;
    fill(cache, 2, 3);
    await cache.flush();
    appendFileSync(join(cache.folder, first), 'x');
    writeFileSync(
      join(cache.folder, `${first}.0123.tmp`),
      readFileSync(join(cache.folder, first)).subarray(0, 9),
    );
    notes.length = 0;
    const again = await open('damaged');
    expect(again.size).toBe(1);
    expect(notes).toEqual([expect.stringContaining(`${first} is damaged`)]);
    // What was lost is added again, beside what is broken.
    fill(again, 0, 2);
    await again.flush();
    const whole = await open('damaged');
    expect(whole.size).toBe(3);
    // Cut while a run has it open.
    for (const name of readdirSync(whole.folder).filter((entry) => entry.endsWith('.safetensors')))
      truncateSync(join(whole.folder, name), 90);
    await expect(whole.rows(['key 1'])).rejects.toThrow(/safetensors/);
  });
});

describe('a student with a teacher cache', () => {
  const data = at('data');
  beforeAll(async () => {
    await drawFewEmoji(data);
    await makeTeacherRun(at('teacher'));
  });

  /** One device for all runs, so that kernels are compiled once, which counts uploads of vision towers' first weights. */
  let towers = 0;
  let watched: Job['gpu'] | undefined;
  async function watchedJob() {
    const job = await testJob();
    const notes: string[] = [];
    const createBuffer = (descriptor: GPUBufferDescriptor) => {
      if (descriptor.label === 'visual.conv1.weight') towers++;
      return job.gpu.device.createBuffer(descriptor);
    };
    const device = new Proxy(job.gpu.device, {
      get: (real, key) => {
        if (key === 'createBuffer') return createBuffer;
        const value = Reflect.get(real, key, real);
        return typeof value === 'function' ? value.bind(real) : value;
      },
    });
    watched ??= Object.create(job.gpu, { device: { value: device } }) as Job['gpu'];
    return { job: { ...job, gpu: watched, note: (line: string) => notes.push(line) }, notes };
  }

  let runs = 0;
  async function run(changes: object = {}) {
    const settings = parseSettings(
      StudentSettingsSchema,
      {
        ...{ clip: emojiStudent, data, teacher: at('teacher'), teacherCache: at('cache') },
        ...{ epochs: 2, batch: 8, visionDepth: 1, ...changes },
      },
      'test',
    );
    const out = at(`student-${++runs}`);
    const { job, notes } = await watchedJob();
    towers = 0;
    await runStudent(job, settings, out);
    const line = notes.findLast((note) => note.startsWith('teacher cache')) ?? '';
    const bytes = (file: string) => readFileSync(join(out, file)).toString('latin1');
    return { towers, line, metrics: bytes('metrics.jsonl'), student: bytes('student.safetensors') };
  }

  it('skips the teacher in the second run, with the same losses and the same student', async () => {
    const first = await run();
    expect(first.line).toContain('0.0 % hits (0 of 32)');
    expect(first.towers).toBe(2);
    const second = await run();
    expect(second.line).toContain('100 % hits (32 of 32)');
    expect(second.towers, "the student's alone").toBe(1);
    expect(second.metrics).toBe(first.metrics);
    expect(second.student).toBe(first.student);

    // Without the cache nothing is rounded to float16: the losses are close, and not the same.
    const plain = await run({ teacherCache: false });
    expect([plain.line, plain.towers]).toEqual(['', 2]);
    const loss = ({ metrics }: { metrics: string }) => JSON.parse(metrics.split('\n')[0]!).loss as number;
    expect(loss(plain)).not.toBe(loss(first));
    expect(Math.abs(loss(plain) / loss(first) - 1)).toBeLessThan(0.02);
  });

  it('shares crops between learning rates, and between seeds by the crop seed', async () => {
    expect((await run({ learningRate: 0.01, kdWeight: 10 })).line).toContain('100 % hits');
    expect((await run({ seed: 2 })).line).toContain('0.0 % hits');
    const shared = await run({ seed: 3, cropSeed: 1 });
    expect(shared.line).toContain('100 % hits (32 of 32)');
    expect(shared.metrics).not.toBe((await run()).metrics);
  });

  it('computes only what is missing, and finds fixed views again', async () => {
    // The first epochs are those of the first runs; epoch 3 is new.
    expect((await run({ epochs: 3 })).line).toContain('66.7 % hits (32 of 48)');
    // Two views: the third and fourth epoch see the crops of the first two.
    const views = await run({ epochs: 4, views: 2, cropSeed: 9 });
    expect(views.line).toContain('50.0 % hits (32 of 64)');
  });
});
