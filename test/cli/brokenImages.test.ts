/** `predict` and `eval` with broken images and with lists of images. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiStudent, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('broken-images');
const at = (...parts: string[]) => join(folder, ...parts);
const classNames = fewEmoji().map((emoji) => emoji.class);
const duck = join('data', 'test', 'bird', 'duck.png');
/** Files that are broken in ways that only decoding finds, or already the file header. */
const broken = {
  'cut.png': 'its png data are damaged or cut off',
  'text.png': 'it is in no known image format',
};

beforeAll(async () => {
  await drawFewEmoji(at('data'));
  const png = readFileSync(at(duck));
  mkdirSync(at('mixed'));
  cpSync(at(duck), at('mixed', 'a.png'));
  cpSync(at(duck), at('mixed', 'z.png'));
  writeFileSync(at('mixed', 'cut.png'), png.subarray(0, png.length >> 1));
  writeFileSync(at('mixed', 'text.png'), 'no picture');
  cpSync(at('data'), at('damaged'), { recursive: true });
  for (const name of Object.keys(broken)) cpSync(at('mixed', name), at('damaged', 'test', 'bird', name));
  writeFileSync(at('damaged', 'test', 'bird', 'notes.txt'), 'two are broken');
});

interface Predicted {
  readonly path: string;
  readonly error?: string;
  readonly predictions?: { readonly className: string }[];
}

const predict = (...args: string[]) =>
  promptkd(['predict', '--clip', emojiStudent, '--class', ...classNames, ...args], folder);
const evaluate = (...args: string[]) => promptkd(['eval', '--clip', emojiStudent, ...args], folder);

/** Checks what all refusals have in common. */
function refused({ status, stdout, stderr }: ReturnType<typeof promptkd>, what: RegExp): void {
  expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .+\nhint: .+\n$/m);
  expect(stderr).toMatch(what);
}

describe('predict', () => {
  it('classifies the good images and says what is wrong with the broken ones', () => {
    const { status, stdout, stderr } = predict('--json', '--', 'mixed', duck);
    expect(status, stderr).toBe(0);
    const found = JSON.parse(stdout) as Predicted[];
    expect(found.map(({ path, error }) => [path, error])).toEqual([
      [join('mixed', 'a.png'), undefined],
      [join('mixed', 'cut.png'), broken['cut.png']],
      [join('mixed', 'text.png'), broken['text.png']],
      [join('mixed', 'z.png'), undefined],
      [duck, undefined],
    ]);
    const alone = JSON.parse(predict('--json', '--', duck).stdout) as Predicted[];
    for (const i of [0, 3, 4]) expect(found[i]?.predictions).toEqual(alone[0]!.predictions);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('2 of 5 images were skipped');

    const table = predict('--top', '1', '--', 'mixed').stdout;
    expect(table).toContain(`skipped: ${broken['cut.png']}`);
    expect(table).toMatch(/a\.png.*%/);
  });

  it('fails if no image can be read, and with --strict', () => {
    refused(
      predict('--', join('mixed', 'cut.png'), join('mixed', 'text.png')),
      /2 of 2 images are broken, none can/,
    );
    refused(predict('--strict', '--', 'mixed'), /1 of 4 images is broken, none may be.*text\.png/);
    refused(
      predict('--max-broken', '0.4', '--', 'mixed'),
      /2 of 4 images are broken, more than the share of 0\.4/,
    );
    refused(predict('--max-broken', '2', '--', 'mixed'), /--max-broken/);
    expect(predict('--max-broken', '0.5', '--', 'mixed').status).toBe(0);
  });

  it('reads lists as well as images and folders', () => {
    writeFileSync(at('list.txt'), `\ufeff# mine\r\nmixed\\a.png\r\n\r\n${at(duck)}\r\n`);
    const { status, stdout, stderr } = predict(
      '--json',
      '--top',
      '1',
      '--',
      'list.txt',
      join('mixed', 'z.png'),
    );
    expect(status, stderr).toBe(0);
    expect((JSON.parse(stdout) as Predicted[]).map(({ path }) => path)).toEqual([
      join('mixed', 'a.png'),
      at(duck),
      join('mixed', 'z.png'),
    ]);
    writeFileSync(at('mixed', 'out.txt'), '../data/test/bird/duck.png\n');
    refused(
      predict('--', join('mixed', 'out.txt')),
      /out\.txt line 1: .* leads out of mixed\nhint: .*--allow-outside/,
    );
    expect(predict('--allow-outside', '--', join('mixed', 'out.txt')).status).toBe(0);
  });

  it.skipIf(process.platform === 'win32')('refuses a pipe and a device instead of waiting for them', () => {
    mkdirSync(at('odd'));
    execFileSync('mkfifo', [at('odd', 'pipe.png')]);
    refused(predict('--', 'odd'), /pipe\.png is a pipe, a socket or a device/);
    refused(predict('--', join('odd', 'pipe.png')), /pipe\.png is a pipe/);
    symlinkSync('/dev/zero', at('zero.png'));
    refused(predict('--', 'zero.png'), /zero\.png is a pipe, a socket or a device/);
  });

  it.skipIf(process.platform === 'win32')('reads class names from a shell pipe', () => {
    const main = ['predict', '--clip', emojiStudent, '--classes', '/dev/stdin', '--json', '--', duck];
    const script = 'printf "cat\\ndog\\n" | "$@"';
    const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const out = execFileSync('bash', ['-c', script, 'bash', process.execPath, cli, ...main], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [only] = JSON.parse(out) as Predicted[];
    expect(only?.predictions?.map(({ className }) => className).sort()).toEqual(['cat', 'dog']);
  });
});

describe('eval', () => {
  it('evaluates the readable images and reports the share of broken ones', () => {
    const whole = JSON.parse(evaluate('--data', 'data', '--json').stdout);
    const { status, stdout, stderr } = evaluate('--data', 'damaged', '--json', '--max-broken', '0.3');
    expect(status, stderr).toBe(0);
    const found = JSON.parse(stdout);
    expect(found.models).toEqual(whole.models);
    expect(found.skipped).toEqual(
      Object.entries(broken).map(([name, error]) => ({ path: join('damaged', 'test', 'bird', name), error })),
    );
    expect(whole.skipped).toEqual([]);
    expect(stderr).toMatch(/1 file is not an image and is left out: .*notes\.txt/);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^2 of 10 images were skipped: .*cut\.png \(its png data/,
    );
  });

  it('fails if more images are broken than allowed', () => {
    refused(evaluate('--data', 'damaged'), /2 of 10 images are broken, more than the share of 0\.1/);
    refused(evaluate('--data', 'damaged', '--strict'), /1 of 10 images is broken, none may be/);
  });
});
