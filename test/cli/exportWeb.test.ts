/** `promptkd export --format web`: the folder that it writes; test/web looks at the page in a browser. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { openModelFile } from '../../models/promptkd/files/modelFile.js';
import { promptkd } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/files.js';
import { makeStudentRun, makeTeacherRun } from '../helpers/studentRun.js';

const folder = temporaryFolder('cli-export-web');
const at = (...parts: string[]) => join(folder, ...parts);
const PAGE = ['icon.svg', 'index.html', 'page.css', 'page.js', 'student.safetensors', 'worker.js'];
const web = (run: string, out: string, ...more: string[]) =>
  promptkd(['export', run, '--format', 'web', '--out', out, ...more], folder);

beforeAll(async () => {
  await makeTeacherRun(at('teacher'));
  await makeStudentRun(at('student'));
});

it('writes a page that says how to look at it, and nothing beside it', async () => {
  const before = readdirSync(folder);
  const { status, stdout, stderr } = web('student', 'new/page', '--half');
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(
    /^wrote the student's page to new\/page: \d\.\d MiB\nnext, .*http\.server -d new\/page/,
  );
  expect(readdirSync(at('new'))).toEqual(['page']);
  expect(readdirSync(at('new', 'page')).sort()).toEqual(PAGE);
  expect(readdirSync(folder)).toEqual([...before, 'new'].sort());
  const student = await openModelFile(nodePlatform, at('new', 'page', 'student.safetensors'));
  expect(student).toMatchObject({ kind: 'student', from: 'checkpoint' });
  // Every address in it is relative.
  const page = readFileSync(at('new', 'page', 'index.html'), 'utf8');
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]*)"/g)) expect(url).toMatch(/^\w+\.(js|css|svg)$/);
});

it('writes into an empty folder, and into one with files only when forced, leaving what is not its own', () => {
  mkdirSync(at('empty'));
  expect(web('student', 'empty').status).toBe(0);
  writeFileSync(at('empty', '.mine'), 'mine');
  writeFileSync(at('empty', 'index.html'), 'old');
  const refused = web('student', 'empty');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('--force');
  expect(readFileSync(at('empty', 'index.html'), 'utf8')).toBe('old');
  expect(web('student', 'empty', '--force').status).toBe(0);
  expect(readFileSync(at('empty', 'index.html'), 'utf8')).toContain('<!doctype html>');
  expect(readdirSync(at('empty')).sort()).toEqual(['.mine', ...PAGE]);
});

it('refuses teachers and files, and leaves nothing', () => {
  const before = readdirSync(folder);
  const teacher = web('teacher', 'x');
  expect(teacher.status).toBe(2);
  expect(teacher.stderr).toContain('is a teacher');
  const file = web('student', 'student/config.yaml', '--force');
  expect(file.status).toBe(2);
  expect(file.stderr).toContain('is a file');
  expect(readdirSync(folder)).toEqual(before);
});
