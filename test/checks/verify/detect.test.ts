/** `verify` on small folders of the other three kinds, made by our CPU references; and on what is none of them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { detectReference, verify } from '../../../checks/verify/detect.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { encodeSafetensors, type TensorToWrite } from '../../../formats/safetensors.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { encodeText, lookUp, readTokenRows, trimTokens } from '../../../models/clip/text.js';
import { loadTokenizer } from '../../../models/clip/tokenizerFile.js';
import { encodeImages } from '../../../models/clip/vision.js';
import { Weights } from '../../../models/clip/weights.js';
import { boxCrop, testCrop } from '../../../models/images/preprocess.js';
import { cropOnCpu } from '../../../models/images/resample.js';
import { TestRandom } from '../../helpers/check.js';
import { emojiStudent } from '../../helpers/emojiData.js';
import { makeFiles, temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';

const folder = temporaryFolder('verify');
const at = (...parts: string[]) => join(folder, ...parts);
const missed = (items: readonly { name: string; ok: boolean }[]) =>
  items.filter(({ ok }) => !ok).map(({ name }) => name);

describe('a preprocessing case', () => {
  const image = syntheticImage(50, 37);
  const box = { left: 3, top: 5, width: 40, height: 20, flip: true, size: 24 };
  const crops = { 'a.png.test.40': testCrop(50, 37, 40), 'a.png.train.0': boxCrop(box, 24) };

  beforeAll(async () => {
    mkdirSync(at('preprocess'));
    const raw = { width: 50, height: 37, channels: 3 } as const;
    await sharp(image.data, { raw }).png().toFile(at('preprocess', 'a.png'));
    writeFileSync(at('preprocess', 'b.png'), 'not a picture');
    const entry = { file: 'a.png', width: 50, height: 37, test: [40], train: [box] };
    const none = { file: 'b.png', width: 50, height: 37, test: [], train: [] };
    writeFileSync(at('preprocess', 'cases.json'), JSON.stringify([entry, none]));
    const tensors: TensorToWrite[] = ['a.png', 'b.png'].map((file) => ({
      name: `${file}.decoded`,
      dtype: 'U8',
      shape: [37, 50, 3],
      data: image.data,
    }));
    for (const [name, crop] of Object.entries(crops))
      tensors.push({ name, dtype: 'U8', shape: [crop.size, crop.size, 3], data: cropOnCpu(image, crop) });
    writeFileSync(at('preprocess', 'expected.safetensors'), encodeSafetensors(tensors));
  });

  it('is met, but for the file that is no image', async () => {
    const { kind, items } = await verify(await testJob(), at('preprocess'));
    expect(kind).toBe('preprocessing case');
    expect(items.map(({ name }) => name)).toEqual([
      'a.png.decode',
      'a.png.test.40',
      'a.png.test.40.largest',
      'a.png.test.40 from file',
      'a.png.train.0',
      'a.png.train.0.largest',
      'a.png.train.0 from file',
      'b.png.decode',
    ]);
    expect(missed(items)).toEqual(['b.png.decode']);
    expect(items.at(-1)!.problem).toContain('b.png');
  });
});

describe('a formats folder', () => {
  beforeAll(async () => {
    const { platform } = await testJob();
    const checkpoint = await loadCheckpoint(platform, emojiStudent);
    // Plain GELU, which only the config of one of them says.
    const config = { ...checkpoint.config, activation: 'gelu' as const };
    const leaves = new Map();
    for (const [name, stored] of checkpoint.tensors)
      leaves.set(name, constant(await stored.read(), stored.shape, name));
    const weights = new Weights(leaves);
    const random = new TestRandom(1);
    const { resolution } = config.vision;
    const images = random.array(2 * 3 * resolution ** 2);
    const tokenizer = await loadTokenizer(platform, emojiStudent);
    const sequences = ['a cat', 'a photo of a dog.', 'x'].map((text) =>
      tokenizer.tokenize(text, config.text.contextLength),
    );
    const { tokens, endRows, count, length } = trimTokens(sequences);
    const table = await readTokenRows(checkpoint.tensors.get('token_embedding.weight')!, [tokens]);
    const embedded = constant(lookUp(table, config.text.width, tokens), [count, length, config.text.width]);
    const image = encodeImages(weights, config, constant(images, [2, 3, resolution, resolution]));
    const text = encodeText(weights, config, embedded, constant(endRows, [count]));
    const found = evaluate([image, text]);
    const floats = (name: string, shape: readonly number[], values: ArrayLike<number>): TensorToWrite => ({
      name,
      dtype: 'F32',
      shape,
      data: Float32Array.from(values),
    });
    const ids = Int32Array.from(sequences.flatMap((row) => [...row]));
    mkdirSync(at('formats', 'nested'), { recursive: true });
    writeFileSync(
      at('formats', 'tensors.safetensors'),
      encodeSafetensors([
        floats('given.images', [2, 3, resolution, resolution], images),
        { name: 'given.tokens', dtype: 'I32', shape: [3, config.text.contextLength], data: ids },
        floats('expect.image_features', image.shape, found.get(image)!),
        floats('expect.text_features', text.shape, found.get(text)!),
      ]),
    );
    const bytes = readFileSync(join(emojiStudent, 'model.safetensors'));
    writeFileSync(at('formats', 'one.safetensors'), bytes);
    writeFileSync(at('formats', 'nested', 'model.safetensors'), bytes);
    const tower = { hidden_act: 'gelu' };
    writeFileSync(
      at('formats', 'nested', 'config.json'),
      JSON.stringify({ vision_config: tower, text_config: tower }),
    );
    writeFileSync(at('formats', 'broken.pt'), bytes.subarray(0, 5000));
    writeFileSync(at('formats', 'README.md'), 'words');
  });

  it('opens whatever is there, and says which cannot be read', async () => {
    const { kind, items } = await verify(await testJob(), at('formats'));
    expect(kind).toBe('formats folder');
    expect(items.map(({ name }) => name)).toEqual([
      'broken.pt',
      'nested.image_features',
      'nested.text_features',
      'one.safetensors.image_features',
      'one.safetensors.text_features',
    ]);
    expect(missed(items)).toEqual(['broken.pt']);
    expect(items[0]!.problem).toContain('broken.pt');
  });
});

describe('a tokenizer list', () => {
  it('counts the ids that differ, and needs a tokenizer', async () => {
    const job = await testJob();
    const tokenizer = await loadTokenizer(job.platform, emojiStudent);
    const right = [...tokenizer.tokenize('a cat', 12)];
    const wrong = right.map((id, i) => (i === 1 || i === 11 ? id + 1 : id));
    // OpenAI's tokenizer cuts what does not fit and puts end of text at the end.
    const cut = [right[0]!, right[1]!, tokenizer.endOfText];
    const lines = [right, wrong, cut, right.slice(0, 2)].map((ids) => ({ text: 'a cat', ids }));
    writeFileSync(at('list.json'), JSON.stringify(lines));
    await expect(verify(job, at('list.json'))).rejects.toThrow(/needs a tokenizer/);
    const { kind, items } = await verify(job, at('list.json'), { tokenizer: emojiStudent });
    expect(kind).toBe('tokenizer list');
    expect(items.map(({ error, ok }) => [error, ok])).toEqual([
      [0, true],
      [2, false],
      [0, true],
      [1, false],
    ]);
  });
});

describe('anything else', () => {
  it.each([
    ['an empty folder', 'empty', /holds no reference numbers/],
    ['tensors without a checkpoint', 'alone', /holds no reference numbers/],
    ['another JSON file', 'alone/config.json', /is not a list/],
    ['nothing', 'nowhere', /does not exist/],
  ])('is refused: %s', async (_, path, message) => {
    mkdirSync(at('empty'), { recursive: true });
    makeFiles(at('alone'), { 'tensors.safetensors': '', 'config.json': '[1]' });
    const { platform } = await testJob();
    await expect(detectReference(platform, at(path))).rejects.toThrow(message);
  });
});
