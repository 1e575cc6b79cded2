/**
 * Damaged inputs that are no checkpoints of CLIPs: what runs write, settings, lists, tokenizers. A message or a right result, nothing
 * else; files with a checksum are taken only for what was written. `npm run fuzz` runs 10,000 of each.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readClassNames } from '../../cli/options/classes.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { readSettingsFile } from '../../cli/settings.js';
import { openByContent } from '../../formats/openByContent.js';
import { pytorchCheckpoint } from '../../formats/pytorch/pytorchWriter.js';
import { encodeSafetensors, openSafetensors } from '../../formats/safetensors.js';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import type { Checkpoint } from '../../formats/tensors.js';
import { writable } from '../../formats/writable.js';
import { tokenizeClasses } from '../../models/clip/classPrompts.js';
import type { Tokenizer } from '../../models/clip/tokenizer.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import { requireDistinct } from '../../models/datasets/classNames.js';
import { parseSplit } from '../../models/datasets/split.js';
import type { Platform } from '../../models/platform.js';
import { encodeClassVectors, readClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { encodeStudent, readStudent } from '../../models/promptkd/files/studentFile.js';
import { encodeTeacher, readTeacher } from '../../models/promptkd/files/teacherFile.js';
import { initialProjection } from '../../models/promptkd/shared/projection.js';
import { Random } from '../../models/random.js';
import { parsePreset } from '../../models/reproduce/preset.js';
import { emojiTeacher } from '../helpers/emojiData.js';
import { bytesOf } from '../helpers/files.js';
import { type FuzzKind, fuzzTest } from '../helpers/fuzz.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { unsealed } from '../helpers/safetensors.js';
import { TINY_CONFIG, tensorOf } from '../helpers/tinyClip.js';
import type { Next } from './choices.js';
import { mutateJson } from './mutateJson.js';
import { mutateLines, mutateYaml } from './mutateText.js';
import { mutateBytes, withHeader } from './mutations.js';

type Input = Uint8Array | string;
const PATH = 'f';
const hash = '0'.repeat(64);
const config = { ...TINY_CONFIG, activation: 'quickGelu' as const };
const prompts = (count: number) => Array.from({ length: count }, (_, i) => tensorOf(String(i), [3, 64]).data);

const platformOf = (input: Input): Platform => ({
  ...memoryPlatform({ [PATH]: input }),
  gunzip: nodePlatform.gunzip,
});
const textOf = (input: Input) => (typeof input === 'string' ? input : new TextDecoder().decode(input));
const size = (input: Input) => input.length;

async function contentOf({ tensors, metadata }: Checkpoint): Promise<unknown> {
  const found = [];
  for (const [name, tensor] of tensors) found.push([name, tensor.dtype, tensor.shape, await tensor.read()]);
  return [found, metadata];
}

/** Kinds of safetensors files that we write, and how they are read. */
const SAFETENSORS: Readonly<
  Record<string, { file: Uint8Array; read: (platform: Platform) => Promise<unknown> }>
> = {
  teacher: {
    file: encodeTeacher({ text: prompts(1), vision: prompts(2) }, config, {
      template: 'a photo of a {}.',
      classNames: ['cat', 'dog'],
      clip: 'models/clip',
      clipHash: hash,
    }),
    // Its hash is of the file, and so of nothing else.
    read: async (platform) => ({ ...(await readTeacher(platform, PATH)), hash: '' }),
  },
  student: {
    file: encodeStudent({
      prompts: prompts(2),
      projection: initialProjection(8, 12, new Random(1)),
      width: 64,
      inputs: 8,
      outputs: 12,
      clip: 'models/clip',
      clipHash: hash,
    }),
    read: async (platform) => {
      const { weights, ...student } = await readStudent(platform, PATH);
      return [student, [...weights.keys()]];
    },
  },
  'class vectors': {
    file: encodeClassVectors({
      vectors: tensorOf('v', [3, 8]).data,
      count: 3,
      embed: 8,
      classNames: ['cat', 'dog', 'a "red" fox'],
      template: 'a photo of a {}.',
      clipHash: hash,
      logitScale: 100,
    }),
    read: (platform) => readClassVectors(platform, PATH),
  },
  'checkpoint of a run': {
    file: encodeSafetensors(
      ['vision.0', 'momentum.vision.0', 'bn.mean'].map((name) => ({
        ...tensorOf(name, [4, 9]),
        dtype: 'F32',
      })),
      { kind: 'promptkd checkpoint', run: JSON.stringify({ epoch: 3, batch: 0, lossSum: 1.5 }) },
    ),
    read: async (platform) => contentOf(await openSafetensors(platform, PATH)),
  },
};

/** Whether the damage has taken the checksum away, so that a file is like one of another program. */
function lostSeal(input: Input): boolean {
  const bytes = input as Uint8Array;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return !/crc32:|[0-9a-f]{8} [0-9a-f]{8}/.test(textOf(bytes.subarray(8, 8 + length)));
}

const kinds: Record<string, FuzzKind<Input>> = {};
for (const [name, { file, read }] of Object.entries(SAFETENSORS)) {
  const readInput = (input: Input) => read(platformOf(input));
  const expected = { value: () => readInput(file), unless: lostSeal };
  const plain = unsealed(file);
  const bytes = (from: number, to: number) => (next: Next) => mutateBytes(file, from, to, next);
  const header = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  kinds[`${name}, bytes anywhere`] = { make: bytes(0, file.length), read: readInput, size, expected };
  kinds[`${name}, bytes of the header`] = { make: bytes(0, header), read: readInput, size, expected };
  kinds[`${name}, JSON of the header`] = {
    make: (next) => withHeader(file, next),
    read: readInput,
    size,
    expected,
  };
  kinds[`${name} without checksum, JSON of the header`] = {
    make: (next) => withHeader(plain, next),
    read: readInput,
    size,
  };
}

const exported = await bytesOf(
  pytorchCheckpoint(
    ['one', 'two'].map((name) => {
      const { data } = tensorOf(name, [4, 9]);
      const read = async () => data;
      return writable({ name, dtype: 'F32', shape: [4, 9], read } as never, name, 'F32');
    }),
    { epoch: 3, template: 'a photo of a {}.' },
  ),
);
const readExported = async (input: Input) => contentOf(await openByContent(platformOf(input), PATH));
kinds['exported PyTorch file, bytes anywhere'] = {
  make: (next) => mutateBytes(exported, 0, exported.length, next),
  read: readExported,
  size,
  expected: { value: () => readExported(exported), unless: () => false },
};

const evaluation = sealJson({
  run: 'runs/a',
  base: 71.25,
  novel: 60.5,
  classes: [{ name: 'cat', top1: 1e-3 }],
});
const readEvaluation = async (input: Input) => openSealedJson(PATH, textOf(input));
for (const [way, make] of Object.entries({
  bytes: (next: Next) => mutateBytes(new TextEncoder().encode(evaluation), 0, evaluation.length, next),
  JSON: (next: Next) => mutateJson(evaluation, next),
}))
  kinds[`evaluation.json, ${way}`] = {
    make,
    read: readEvaluation,
    size,
    expected: { value: () => readEvaluation(evaluation), unless: () => false },
  };

const split = JSON.stringify({
  train: [
    ['cat/1.jpg', 0, 'cat'],
    ['dog/1.jpg', 1, 'dog'],
    ['dog/2.jpg', 1, 'dog'],
  ],
  val: [['cat/2.jpg', 0, 'cat']],
  test: [['dog/3.jpg', 1, 'dog']],
});
kinds['split file, JSON'] = {
  make: (next) => mutateJson(split, next),
  read: async (input) => parseSplit(textOf(input), PATH),
  size,
};

/** YAML's `.nan`. */
const NOT_A_NUMBER = /received (NaN|undefined)$|unknown field "NaN"$/;
const settings = [
  'kind: student',
  'teacher: runs/teacher',
  'clip: models/student',
  'data: data',
  'seed: 3',
  'batch: 8',
  'epochs: 20',
  'learningRate: 0.005',
  'kdLoss: kl',
  'teacherCache: true',
  'shared: &a [1, 2]',
].join('\n');
const yaml = settings.replace(/\nshared.*/, '');
kinds['settings, YAML'] = {
  make: (next) => mutateYaml(next(3) === 0 ? settings : yaml, next),
  read: (input) => readSettingsFile(platformOf(input), 'student', PATH),
  size,
  said: NOT_A_NUMBER,
};
const preset = readFileSync(new URL('../../presets/base-to-novel.yaml', import.meta.url), 'utf8');
kinds['preset, YAML'] = {
  make: (next) => mutateYaml(preset, next),
  read: async (input) => parsePreset(textOf(input), PATH),
  size,
  said: NOT_A_NUMBER,
};

const tokenizerJson = readFileSync(join(emojiTeacher, 'tokenizer.json'), 'utf8');
let tokenizer: Promise<Tokenizer> | undefined;
const names = ['cat', 'dog', 'red_fox', 'Ünïcode', "St. John's wort", '日本'].join('\n');
kinds['list of class names, lines'] = {
  make: (next) => mutateLines(names, next),
  read: async (input) => {
    tokenizer ??= loadTokenizer(platformOf(tokenizerJson), PATH);
    const found = (await readClassNames(platformOf(input), { classes: PATH }))!;
    requireDistinct(found, PATH);
    return tokenizeClasses(await tokenizer, 'a photo of a {}.', found, 77);
  },
  size,
};

const TEXTS = ['a photo of a cat.', 'Ünïcode &amp; 日本', '<|startoftext|> x'];
const tokenize = async (input: Input) => {
  const made = await loadTokenizer(platformOf(input), PATH);
  return TEXTS.map((text) => made.tokenize(text, 77, { truncate: true }));
};
kinds['tokenizer.json, JSON'] = { make: (next) => mutateJson(tokenizerJson, next), read: tokenize, size };
const mergeList = ['#version: 0.2', 'a t</w>', "' s</w>", 'c at</w>', 'c a', 'p h', 'ph o', 't o</w>'].join(
  '\n',
);
kinds['list of merges, lines'] = { make: (next) => mutateLines(mergeList, next), read: tokenize, size };
const packed = Uint8Array.from(gzipSync(mergeList));
const bombs = [gzipSync(Buffer.alloc(200 * 2 ** 20)), gzipSync('a b\n'.repeat(8 * 2 ** 20))].map((bomb) =>
  Uint8Array.from(bomb),
);
kinds['packed list of merges, bytes'] = {
  make: (next) => (next(40) === 0 ? bombs[next(2)]! : mutateBytes(packed, 0, packed.length, next)),
  read: tokenize,
  size,
};

for (const [name, kind] of Object.entries(kinds)) fuzzTest(name, kind);
