/** The whole pipeline with tiny settings on a few emoji, with the built command line and as jobs. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { averageDemos, runDemo } from '../../cli/demo/demo.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent, emojiTeacher, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';

const folder = temporaryFolder('end-to-end');
const at = (...parts: string[]) => join(folder, ...parts);
const data = at('data');
const classNames = fewEmoji().map((emoji) => emoji.class);
beforeAll(async () => {
  await drawFewEmoji(data);
  mkdirSync(at('flat'));
  for (const name of readdirSync(join(data, 'train')))
    for (const file of readdirSync(join(data, 'train', name)))
      cpSync(join(data, 'train', name, file), at('flat', file));
});

/** Runs a command that must succeed, and returns what it prints. */
function run(...args: string[]): string {
  const { status, stdout, stderr } = promptkd(args, folder);
  expect(status, stderr).toBe(0);
  return stdout;
}

describe('the command line', () => {
  it('goes from labelled images to a student that classifies files', () => {
    writeFileSync(at('teacher.yaml'), 'epochs: 9\nshots: 2\nbatch: 4\nvisionDepth: 2\ntextDepth: 1\n');
    const teacher = ['teacher', '--clip', emojiTeacher, '--data', 'data', '--config', 'teacher.yaml'];
    expect(run(...teacher, '--epochs', '1', '--out', 'teacher')).toContain('next: promptkd eval teacher');
    const config = readFileSync(at('teacher', 'config.yaml'), 'utf8');
    // The flag overrides the file, and defaults are written too.
    expect(config).toMatch(/^epochs: 1$/m);
    expect(config).toMatch(/^momentum: 0\.9$/m);
    expect(existsSync(at('teacher', 'teacher.safetensors'))).toBe(true);

    writeFileSync(at('names.txt'), `${classNames.join('\n')}\n`);
    run('class-vectors', '--teacher', 'teacher', '--classes', 'names.txt', '--out', 'vectors.safetensors');
    // A flat folder is unlabelled, so it has no class names.
    const stage2 = ['--class-vectors', 'vectors.safetensors', '--epochs', '1', '--batch', '4'];
    run(
      'distill',
      '--teacher',
      'teacher',
      '--clip',
      emojiStudent,
      '--data',
      'flat',
      ...stage2,
      '--tensorboard',
      '--out',
      'student',
    );

    expect(readdirSync(at('student', 'tensorboard'))).toEqual([expect.stringContaining('tfevents')]);

    const evaluation = JSON.parse(
      run('eval', 'teacher', 'student', '--clip', emojiStudent, '--data', 'data', '--json'),
    );
    expect(evaluation.classNames).toEqual(classNames);
    expect(evaluation.models.map(({ name }: { name: string }) => name)).toEqual([
      `${emojiStudent} zero-shot`,
      'teacher',
      'student',
    ]);
    for (const model of evaluation.models) {
      expect(model.images).toEqual({ base: 4, novel: 4 });
      for (const value of [model.base, model.novel, model.all])
        expect([0, 25, 50, 75, 100, 12.5, 37.5, 62.5, 87.5]).toContain(value);
    }

    const page = ['--data', 'data', '--report', 'report.html', '--json'];
    expect(JSON.parse(run('eval', 'teacher', 'student', ...page)).models).toEqual(evaluation.models.slice(1));
    const html = readFileSync(at('report.html'), 'utf8');
    expect(html).toContain(`was ${evaluation.models[0].all.toFixed(1)}`);
    expect(html).toMatch(/src="data:image\/jpeg;base64,/);
    expect(html).toContain('Loss by term');

    const compared = JSON.parse(run('compare', 'teacher', 'student', '--json', '--report', 'compared.html'));
    expect(compared.rows.map(({ all }: { all: number }) => all)).toEqual(
      evaluation.models.slice(1).map(({ all }: { all: number }) => all),
    );
    expect(compared.tests).toHaveLength(1);
    expect(readFileSync(at('compared.html'), 'utf8')).toContain('2 models side by side');

    const image = join('data', 'test', 'bird', 'duck.png');
    const predictions = JSON.parse(run('predict', 'student', image, 'flat', '--top', '3', '--json'));
    expect(predictions).toHaveLength(1 + 16);
    expect(predictions[0].path).toBe(image);
    const probabilities = predictions[0].predictions.map((p: { probability: number }) => p.probability);
    expect(probabilities).toHaveLength(3);
    expect([...probabilities].sort((a, b) => b - a)).toEqual(probabilities);
    const one = run('predict', 'student', image, '--top', '4');
    expect(one).toContain('duck.png');
    for (const name of classNames) expect(one).toContain(name);
    const plain = JSON.parse(
      run('predict', '--clip', emojiTeacher, '--classes', 'names.txt', image, '--json'),
    );
    const sum = plain[0].predictions.reduce((s: number, p: { probability: number }) => s + p.probability, 0);
    expect(sum).toBeCloseTo(1, 6);
  });
});

describe('the demo', () => {
  it('gives the same table for the same seed, replaces itself, and averages several', async () => {
    const options = {
      out: at('demo'),
      seed: 3,
      classes: fewEmoji({ classes: 4, train: 4, test: 2 }),
      teacher: { epochs: 1, shots: 2, batch: 4, views: 1, textDepth: 1, visionDepth: 1 },
      student: { epochs: 1, batch: 8, views: 1, visionDepth: 1 },
    };
    const { result: first, changes } = await runDemo(await testJob(), options);
    for (const { before, after, change } of changes) expect(after! - before!).toBe(change);
    expect(readFileSync(at('demo', 'report.html'), 'utf8')).toContain('student distilled');
    expect(first.models.map(({ name }) => name)).toEqual([
      'teacher zero-shot',
      'teacher tuned',
      'student zero-shot',
      'student distilled',
    ]);
    const { results, models } = await averageDemos(await testJob(), options, [3, 4]);
    expect(results.map(({ seed }) => seed)).toEqual([3, 4]);
    expect(results[0]!.models).toEqual(first.models);
    models.forEach(({ base, novel, harmonicMean, all }, row) => {
      const [one, other] = results.map((result) => result.models[row]!);
      expect([base, novel, all]).toEqual([
        (one!.base! + other!.base!) / 2,
        (one!.novel! + other!.novel!) / 2,
        (one!.all + other!.all) / 2,
      ]);
      expect(harmonicMean).toBeCloseTo(base! + novel! && (2 * base! * novel!) / (base! + novel!), 10);
    });
    const stored = JSON.parse(readFileSync(at('demo', 'demo.json'), 'utf8'));
    expect(stored.models).toEqual(results[1]!.models);
  });
});
