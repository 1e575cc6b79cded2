/** `promptkd export`, and the use of its files and of the authors' checkpoints in other commands. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { readClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { makeStudentRun, makeTeacherRun } from '../helpers/studentRun.js';

const folder = temporaryFolder('cli-export');
const at = (...parts: string[]) => join(folder, ...parts);
beforeAll(async () => {
  await drawFewEmoji(at('data'));
  const { classNames } = await loadDataset(nodePlatform, at('data'), {});
  await makeTeacherRun(at('teacher'));
  await makeStudentRun(at('student'), { classNames: [...classNames] });
});

function run(...args: string[]): string {
  const { status, stdout, stderr } = promptkd(args, folder);
  expect(status, stderr).toBe(0);
  return stdout;
}

function refused(...args: string[]): string {
  const { status, stdout, stderr } = promptkd(args, folder);
  expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .+\nhint: .+\n$/m);
  return stderr;
}

describe('exported files', () => {
  it('have the accuracies of their runs', () => {
    expect(run('export', 'student', '--format', 'pytorch', '--out', 'student.pth.tar')).toMatch(
      /^wrote the student to student\.pth\.tar: \d+ tensors, \d+\.\d MiB\n$/,
    );
    run('export', 'student', '--format', 'safetensors', '--merged', '--half', '--out', 'student.safetensors');
    run('export', 'teacher', '--format', 'pytorch', '--out', 'teacher.pth.tar');
    // What such a file computes is compared in test/models/promptkd/use/onnxGraph.test.ts.
    expect(run('export', 'student', '--format', 'onnx', '--half', '--out', 'student.onnx')).toMatch(
      /^wrote the student to student\.onnx: \d+ tensors, \d+\.\d MiB\n$/,
    );
    const models = ['student', 'student.safetensors', 'student.pth.tar', 'teacher', 'teacher.pth.tar'];
    const supplies = ['--class-vectors', 'student/class-vectors.safetensors', '--teacher-clip', emojiTeacher];
    const found = JSON.parse(run('eval', ...models, ...supplies, '--data', 'data', '--json')).models;
    expect(found.map(({ name }: { name: string }) => name)).toEqual(models);
    const accuracies = found.map(({ name: _, ...accuracy }: { name: string }) => accuracy);
    expect(accuracies[1]).toEqual(accuracies[0]);
    expect(accuracies[2]).toEqual(accuracies[0]);
    expect(accuracies[4]).toEqual(accuracies[3]);

    const image = join('data', 'test', 'bird', 'duck.png');
    const ofFile = JSON.parse(run('predict', 'student.safetensors', image, '--json'));
    expect(ofFile).toEqual(JSON.parse(run('predict', 'student', image, '--json')));
  });

  it('and checkpoints of the authors serve as teachers', async () => {
    const teacher = ['--teacher', 'teacher.pth.tar', '--teacher-clip', emojiTeacher];
    run('class-vectors', ...teacher, '--data', 'data', '--out', 'file.safetensors');
    run('class-vectors', '--teacher', 'teacher', '--data', 'data', '--out', 'run.safetensors');
    const ofFile = await readClassVectors(nodePlatform, at('file.safetensors'));
    const ofRun = await readClassVectors(nodePlatform, at('run.safetensors'));
    expect(ofFile).toMatchObject({
      vectors: ofRun.vectors,
      template: ofRun.template,
      clipHash: ofRun.clipHash,
    });

    const stage2 = ['--clip', emojiStudent, '--data', 'data', '--epochs', '1', '--batch', '4'];
    const vectors = ['--class-vectors', 'file.safetensors'];
    run('distill', ...teacher, ...stage2, ...vectors, '--out', 'from-file');
    run('distill', '--teacher', 'teacher', ...stage2, '--out', 'from-run');
    expect(readFileSync(at('from-file', 'config.yaml'), 'utf8')).toContain(`teacherClip: ${emojiTeacher}`);
    const student = (name: string) => readFileSync(at(name, 'student.safetensors')).toString('hex');
    expect(student('from-file')).toBe(student('from-run'));
    expect(refused('distill', '--teacher', 'teacher.pth.tar', ...stage2, '--out', 'nothing')).toContain(
      '--teacher-clip',
    );
  });
});

describe('an export', () => {
  const pytorch = ['export', 'student', '--format', 'pytorch'];
  it('does not replace a file without --force', () => {
    writeFileSync(at('mine'), 'mine');
    expect(refused(...pytorch, '--out', 'mine')).toContain('--force');
    expect(readFileSync(at('mine'), 'utf8')).toBe('mine');
    run(...pytorch, '--out', 'mine', '--force');
    expect(readFileSync(at('mine')).subarray(0, 2).toString()).toBe('PK');
    expect(refused(...pytorch, '--out', 'data', '--force')).toContain('is a folder');
  });

  it('says what is wrong and leaves no file', () => {
    const before = readdirSync(folder);
    expect(refused('export', 'student', '--out', 'x')).toContain('--format');
    expect(refused('export', 'student', '--format', 'gguf', '--out', 'x')).toContain('pytorch, safetensors');
    expect(refused('export', 'teacher', '--format', 'onnx', '--out', 'x')).toContain(
      'ONNX files are for students',
    );
    expect(refused('export', 'data', '--format', 'pytorch', '--out', 'x')).toContain('config.yaml');
    expect(refused('export', 'student', '--format', 'safetensors', '--half', '--out', 'x')).toContain(
      '--merged',
    );
    expect(readdirSync(folder)).toEqual(before);
  });
});
