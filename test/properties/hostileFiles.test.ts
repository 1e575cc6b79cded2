/** Files made to be odd: each is refused with a message that names it and what is odd. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { tokenizeClasses } from '../../models/clip/classPrompts.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import type { Platform } from '../../models/platform.js';
import { readClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { readStudent } from '../../models/promptkd/files/studentFile.js';
import { readTeacher } from '../../models/promptkd/files/teacherFile.js';
import { requireFitting } from '../../models/promptkd/shared/prompts.js';
import { readYaml } from '../../models/runs/runFolder.js';
import { emojiTeacher } from '../helpers/emojiData.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { rawSafetensors } from '../helpers/safetensors.js';
import { TINY_CONFIG, tensorOf } from '../helpers/tinyClip.js';

const PATH = 'odd.safetensors';
type Tensors = Parameters<typeof rawSafetensors>[0];

async function refused(run: () => Promise<unknown>, message: string | RegExp): Promise<void> {
  const error = await run().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(message);
  expect((error as UserError).hint.length).toBeGreaterThan(5);
}

const prompt = (name: string, shape: number[] = [3, 64]) => tensorOf(name, shape);
const platformOf = (file: Uint8Array | string): Platform => ({
  ...memoryPlatform({ [PATH]: file }),
  gunzip: nodePlatform.gunzip,
});

describe('a teacher', () => {
  const metadata = { kind: 'promptkd teacher', template: 'a {}', class_names: '["cat"]' };
  const good = [prompt('text.0'), prompt('vision.0'), prompt('vision.1')];
  const read = (tensors: Tensors, more: Record<string, string> = {}) =>
    readTeacher(platformOf(rawSafetensors(tensors, { ...metadata, ...more })), PATH);

  it('of which nothing is odd is read', async () => {
    const { classNames, prompts } = await read(good);
    expect([classNames, prompts.text.length, prompts.vision.length]).toEqual([['cat'], 1, 2]);
  });

  it.each<[string, Tensors, Record<string, string>, string]>([
    ['names that are no JSON', good, { class_names: '["cat"' }, 'no list of class names'],
    ['names that are no list', good, { class_names: '{"a":1}' }, 'no list of class names'],
    ['names that are no words', good, { class_names: '["cat",1]' }, 'no list of class names'],
    ['a template without {}', good, { template: 'a photo' }, 'no template with {}'],
    ['a gap', [prompt('text.0'), prompt('text.2')], {}, 'text.1 is missing'],
    [
      'prompts of two sizes',
      [prompt('vision.0'), prompt('vision.1', [2, 64])],
      {},
      'vision.1 of shape [2, 64]',
    ],
    ['a prompt of one dimension', [prompt('text.0', [192])], {}, 'text.0 of shape [192] is not a prompt'],
    ['a prompt of nothing', [prompt('text.0', [0, 64])], {}, 'text.0 of shape [0, 64] is not a prompt'],
    ['integers', [{ name: 'text.0', shape: [1, 2], data: Int32Array.of(1, 2) }], {}, 'text.0 of shape'],
  ])('with %s', async (_, tensors, more, message) => {
    await refused(() => read(tensors, more), message);
  });

  it('of another CLIP does not fit', () => {
    const checking = (values: number[], count: number) => () =>
      requireFitting(
        PATH,
        { text: [], vision: Array(count).fill(Float32Array.from(values)) },
        TINY_CONFIG as never,
      );
    expect(checking(Array(128).fill(0), 2)).not.toThrow();
    expect(checking(Array(128).fill(0), 3)).toThrow(`${PATH} has 3 vision prompts for the 2 blocks`);
    expect(checking(Array(100).fill(0), 1)).toThrow('vision prompts of 100 numbers for a width of 64');
  });
});

describe('a student', () => {
  const metadata = { kind: 'promptkd student', inputs: '8', outputs: '8' };
  const read = (tensors: Tensors, more: Record<string, string> = {}) =>
    readStudent(platformOf(rawSafetensors(tensors, { ...metadata, ...more })), PATH);
  const layer = [prompt('projection.fc1.weight', [12, 8]), prompt('projection.fc1.bias', [12])];

  it('of which nothing is odd is read', async () => {
    const { inputs, outputs, width } = await read([prompt('vision.0'), ...layer]);
    expect([inputs, outputs, width]).toEqual([8, 12, 64]);
  });

  it.each<[string, Tensors, Record<string, string>, string]>([
    [
      'a bias of another size',
      [layer[0]!, prompt('projection.fc1.bias', [11])],
      {},
      'fc1.bias is F32 of shape',
    ],
    [
      'a weight of one dimension',
      [prompt('projection.fc1.weight', [96])],
      {},
      'fc1.weight is F32 of shape [96]',
    ],
    [
      'a layer too many',
      [...layer, prompt('projection.fc9.weight', [12, 12])],
      {},
      'projection.bn.weight is missing',
    ],
    ['sizes that are none', [prompt('vision.0')], { inputs: '1e400' }, 'does not say the sizes'],
    ['negative sizes', [prompt('vision.0')], { outputs: '-8' }, 'does not say the sizes'],
    ['a prompt of three dimensions', [prompt('vision.0', [1, 3, 64])], {}, 'vision.0 of shape'],
  ])('with %s', async (_, tensors, more, message) => {
    await refused(() => read(tensors, more), message);
  });
});

describe('class vectors', () => {
  const metadata = { class_names: '["cat","dog"]', logit_scale: '100' };
  const read = (shape: number[], more: Record<string, string> = {}) =>
    readClassVectors(
      platformOf(rawSafetensors([tensorOf('class_vectors', shape)], { ...metadata, ...more })),
      PATH,
    );

  it('of which nothing is odd are read', async () => {
    expect(await read([2, 8])).toMatchObject({
      count: 2,
      embed: 8,
      classNames: ['cat', 'dog'],
      logitScale: 100,
    });
  });

  it.each<[string, number[], Record<string, string>, string]>([
    ['of no width', [2, 0], {}, 'holds no class vectors'],
    ['of no classes', [0, 8], { class_names: '[]' }, 'holds no class vectors'],
    ['of one dimension', [16], {}, 'holds no class vectors'],
    ['with names that are no words', [2, 8], { class_names: '["cat",{"a":1}]' }, 'holds no class vectors'],
    ['with too few names', [2, 8], { class_names: '["cat"]' }, 'holds no class vectors'],
    ['with an infinite scale', [2, 8], { logit_scale: 'Infinity' }, 'logit_scale "Infinity"'],
    ['with no scale', [2, 8], { logit_scale: 'a lot' }, 'logit_scale "a lot"'],
  ])('%s', async (_, shape, more, message) => {
    await refused(() => read(shape, more), message);
  });
});

describe('YAML', () => {
  it.each([
    ['a tag', 'a: !!js/function "x"', /f.yaml: Unresolved tag/],
    [
      'an alias bomb',
      `a: &a [x, x]\n${'bcdefghi'.replaceAll(/./g, (c) => `${c}: &${c} [${`*${String.fromCharCode(c.charCodeAt(0) - 1)}, `.repeat(9)}]\n`)}`,
      /Excessive alias count/,
    ],
    ['too much', 'a: 1\n'.repeat(300_000), /1500000 characters, too many/],
    ['two documents', 'a: 1\n---\nb: 2', /multiple documents/],
    ['control characters', 'a: "\u0000', /^\P{Cc}*$/u],
  ])('with %s', async (_, text, message) => {
    await refused(async () => readYaml('f.yaml', text), message);
  });

  it('of a prototype pollutes nothing', () => {
    const value = readYaml('f.yaml', '__proto__: {polluted: 1}\na: 2') as Record<string, unknown>;
    expect([({} as Record<string, unknown>).polluted, value.polluted, value.a]).toEqual([
      undefined,
      undefined,
      2,
    ]);
  });
});

describe('a tokenizer', () => {
  const load = (file: unknown) =>
    loadTokenizer(
      platformOf(file instanceof Uint8Array || typeof file === 'string' ? file : JSON.stringify(file)),
      PATH,
    );
  const model = { type: 'BPE', end_of_word_suffix: '</w>', vocab: {}, merges: [] };

  it.each<[string, unknown, string]>([
    ['null', null, 'it holds no merges'],
    ['no model', { model: null }, 'not a byte-pair vocabulary'],
    ['a list as vocabulary', { model: { ...model, vocab: [1] } }, 'not a byte-pair vocabulary'],
    [
      'a huge id',
      { model: { ...model, vocab: { a: 2 ** 52 } } },
      'the token "a" has the id 4503599627370496',
    ],
    ['an id that is none', { model: { ...model, vocab: { a: '1' } } }, 'the token "a" has the id "1"'],
    ['added tokens that are none', { model, added_tokens: [null] }, 'the token nothing has the id nothing'],
    ['added tokens that are no list', { model, added_tokens: { a: 1 } }, 'added_tokens are not a list'],
    ['merges that are none', { model: { ...model, merges: [null] } }, 'the merge null is not a pair'],
    ['merges of numbers', { model: { ...model, merges: [[1, 2]] } }, 'the merge [1,2] is not a pair'],
    ['too deep a nest', '['.repeat(5000).replace(/^/, '{"a":'), 'nested too deeply'],
    ['too many bytes', 'x'.repeat(17 * 2 ** 20), 'bytes, too many'],
    ['a bomb', gzipSync(Buffer.alloc(64 * 2 ** 20)), 'unpacks to more than 16777216 bytes'],
  ])('of %s', async (_, file, message) => {
    await refused(() => load(file), message);
  });

  it('refuses texts that no context has room for, before it works on them', async () => {
    const tokenizer = await loadTokenizer(nodePlatform, emojiTeacher);
    const word = Array.from({ length: 400_000 }, (_, i) => String.fromCharCode(97 + ((i * i) % 26))).join('');
    expect(() => tokenizer.tokenize(word, 77)).toThrow(/^the text "[a-z]{200}..." has far more tokens/);
    expect(() => tokenizeClasses(tokenizer, 'a {}', [word], 77)).toThrow(
      /^the class name "[a-z]{100}\.\.\." is/,
    );
  });
});
