/** Every mistake in the input gives one message that names it, a hint and exit code 2, and leaves no files. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../models/random.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { rewriteHeader } from '../helpers/safetensors.js';

const folder = temporaryFolder('bad-input');
const data = join(folder, 'data');
beforeAll(() => drawFewEmoji(data));

const at = (name: string) => join(folder, name);
let runs = 0;

/** Runs a command with `--out`, and checks what all refusals have in common. */
function refused(...args: string[]): string {
  const out = at(`out-${++runs}`);
  const { status, stdout, stderr } = promptkd([...args, '--out', out], folder);
  expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .+\nhint: .+\n$/m);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(existsSync(out)).toBe(false);
  return stderr;
}

const teacher = (changes: Record<string, string> = {}): string[] => {
  const settings = { clip: emojiTeacher, data, shots: '2', epochs: '1', batch: '2', ...changes };
  return ['teacher', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])];
};

/** A copy of the teacher's folder with weights changed by `change`. */
function damagedClip(name: string, change: (from: string, to: string) => void): string {
  mkdirSync(at(name));
  cpSync(join(emojiTeacher, 'tokenizer.json'), join(at(name), 'tokenizer.json'));
  change(join(emojiTeacher, 'model.safetensors'), join(at(name), 'model.safetensors'));
  return at(name);
}

/** A copy of the data set, changed. */
function changedData(name: string, change: (folder: string) => void): string {
  cpSync(data, at(name), { recursive: true });
  change(at(name));
  return at(name);
}

describe('a checkpoint', () => {
  it('that is missing', () => {
    expect(refused(...teacher({ clip: 'nowhere' }))).toContain('nowhere');
  });
  it('that is truncated', () => {
    const clip = damagedClip('truncated', (from, to) =>
      writeFileSync(to, readFileSync(from).subarray(0, 90_000)),
    );
    expect(refused(...teacher({ clip }))).toContain(join(clip, 'model.safetensors'));
  });
  it('with a wrong key', () => {
    const clip = damagedClip('wrong-key', (from, to) =>
      rewriteHeader(from, to, (header) => {
        header['visual.projection'] = header['visual.proj']!;
        delete header['visual.proj'];
      }),
    );
    expect(refused(...teacher({ clip }))).toContain('visual.proj');
  });
  it('with a wrong shape', () => {
    const clip = damagedClip('wrong-shape', (from, to) =>
      rewriteHeader(from, to, (header) => header.text_projection!.shape.reverse()),
    );
    expect(refused(...teacher({ clip }))).toMatch(/text_projection.*expected/);
  });
});

describe('data', () => {
  it('with one image in a class', () => {
    const path = changedData('one-image', (copy) => {
      mkdirSync(join(copy, 'train', 'lonely'));
      cpSync(join(copy, 'train', 'bird', 'bird.png'), join(copy, 'train', 'lonely', 'a.png'));
      writeFileSync(join(copy, 'classnames.txt'), `${readFileSync(join(copy, 'classnames.txt'))}lonely\n`);
    });
    expect(refused(...teacher({ data: path }))).toMatch(/lonely has only one image/);
  });
  it.each([
    ['0', 'in a step'],
    ['1', 'in an earlier pass'],
  ])('with a file that is not an image, found %s views', (views) => {
    const broken = join('train', 'aircraft', 'rocket.png');
    const path = changedData(`broken-${views}`, (copy) => writeFileSync(join(copy, broken), 'not a picture'));
    const settings = teacher({ data: path, views, shots: '0', batch: '8', epochs: '3' });
    expect(refused(...settings)).toContain(join(path, broken));
  });
  it('with a file that is not an image, skipped in the first epoch', () => {
    // Seven of eight images make an epoch; the broken one is the eighth in the first epoch.
    const order = [0, 1, 2, 3, 4, 5, 6, 7];
    Random.of(1, 'order', 1).shuffle(order);
    const files = ['aircraft', 'arrow'].flatMap((name) =>
      readdirSync(join(data, 'train', name)).map((file) => join('train', name, file)),
    );
    const broken = files[order[7]!]!;
    const path = changedData('left-out', (copy) => writeFileSync(join(copy, broken), 'not a picture'));
    const settings = teacher({ data: path, shots: '0', batch: '7', epochs: '2', 'vision-depth': '1' });
    expect(refused(...settings)).toContain(broken);
  });
  it('with two equal class names', () => {
    const path = changedData('equal-names', (copy) => {
      renameSync(join(copy, 'train', 'arrow'), join(copy, 'train', 'Bird'));
      renameSync(join(copy, 'test', 'arrow'), join(copy, 'test', 'Bird'));
      writeFileSync(join(copy, 'classnames.txt'), 'aircraft\nBird\nasian_food\nbird\n');
    });
    expect(refused(...teacher({ data: path }))).toMatch(/"Bird" and "bird"/);
  });
  it('smaller than a batch', () => {
    expect(refused(...teacher({ batch: '5' }))).toMatch(/batch of 5 is larger than the data \(4 images\)/);
  });
  it('with a class name longer than the context', () => {
    const name = Array(40).fill('zebra').join('_');
    const path = changedData('long-name', (copy) => {
      for (const part of ['train', 'test']) renameSync(join(copy, part, 'aircraft'), join(copy, part, name));
      writeFileSync(join(copy, 'classnames.txt'), `${name}\narrow\nasian_food\nbird\n`);
    });
    expect(refused(...teacher({ data: path }))).toMatch(/zebra zebra.*context has 32/);
  });
});

describe('settings', () => {
  it('in a file with an unknown field', () => {
    writeFileSync(at('unknown.yaml'), 'epochs: 1\nlearningrate: 0.1\n');
    expect(refused(...teacher(), '--config', 'unknown.yaml')).toMatch(
      /unknown\.yaml: unknown field "learningrate"\nhint: .*learningRate/,
    );
  });
  it('in a file that is not YAML, or of another stage', () => {
    writeFileSync(at('broken.yaml'), 'epochs: [1\n');
    expect(refused(...teacher(), '--config', 'broken.yaml')).toContain('broken.yaml');
    writeFileSync(at('student.yaml'), 'kind: student\nepochs: 1\n');
    expect(refused(...teacher(), '--config', 'student.yaml')).toMatch(/student\.yaml.*student run/);
  });
  it('that are missing or of the wrong type', () => {
    expect(refused('teacher', '--data', data)).toMatch(/--clip is missing/);
    expect(refused(...teacher({ epochs: 'many' }))).toMatch(/--epochs/);
    expect(refused(...teacher({ classes: 'most' }))).toMatch(/classes/);
    expect(refused(...teacher({ 'text-depth': '3' }))).toMatch(/text prompt depth 3/);
  });
});

describe('an output', () => {
  const config = 'kind: teacher\n';
  it('that already holds a run is not changed', () => {
    mkdirSync(at('taken'));
    writeFileSync(join(at('taken'), 'config.yaml'), config);
    const { status, stderr } = promptkd([...teacher(), '--out', 'taken'], folder);
    expect(status).toBe(2);
    expect(stderr).toMatch(/error: .*taken already holds a run\nhint: .*--resume/);
    expect(readFileSync(join(at('taken'), 'config.yaml'), 'utf8')).toBe(config);
  });
  it('that the demo did not make is not changed by the demo', () => {
    const { status, stderr } = promptkd(['demo', '--out', 'taken'], folder);
    expect({ status }).toEqual({ status: 2 });
    expect(stderr).toMatch(/taken exists and was not made by the demo\nhint: /);
  });
  it('that is an existing file of class vectors is not changed', () => {
    writeFileSync(at('vectors'), 'mine');
    const args = ['class-vectors', '--clip', emojiStudent, '--class', 'cat', '--out', 'vectors'];
    const { status, stderr } = promptkd(args, folder);
    expect({ status }).toEqual({ status: 2 });
    expect(stderr).toMatch(/vectors exists already\nhint: /);
    expect(readFileSync(at('vectors'), 'utf8')).toBe('mine');
  });
});

describe('class names', () => {
  const vectors = (...args: string[]) => refused('class-vectors', '--clip', emojiStudent, ...args);
  it('that are equal, missing or too long', () => {
    expect(vectors('--class', 'polar bear', 'Polar_Bear')).toMatch(/"polar bear" and "Polar Bear"/);
    writeFileSync(at('empty.txt'), '\n\n');
    expect(vectors('--classes', 'empty.txt')).toMatch(/empty\.txt has no class name/);
    expect(vectors()).toMatch(/class names are missing/);
    expect(vectors('--class', Array(40).fill('zebra').join(' '))).toMatch(/zebra zebra.*context has 32/);
  });
  it('that are given twice', () => {
    expect(vectors('--class', 'cat', '--data', data)).toMatch(/--class.*--data/);
  });
});
