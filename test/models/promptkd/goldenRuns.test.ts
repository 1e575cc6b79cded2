/**
 * Whole runs of both stages against reference numbers: what `runTeacher` and `runStudent` write on the models and images of the
 * small case is what PyTorch computed in float64 (test/goldens/README.md). The case gives the images as the model sees them, the
 * first values and the tokens; so these, and the order of the images, are put in the place of those that a run draws itself.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ReferenceTensors } from '../../../checks/verify/tensors.js';
import { nodePlatform } from '../../../cli/platform/node.js';
import type * as Templates from '../../../models/clip/templates.js';
import type { Tokenizer } from '../../../models/clip/tokenizer.js';
import type * as Loaders from '../../../models/datasets/loader.js';
import { GpuPreprocessor } from '../../../models/images/gpuPreprocess.js';
import type * as Projection from '../../../models/promptkd/shared/projection.js';
import type * as Prompts from '../../../models/promptkd/shared/prompts.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../../models/promptkd/stage1/run.js';
import { runStudent } from '../../../models/promptkd/stage2/run.js';
import { relativeError } from '../../helpers/check.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { metricsOf, tensorsOf } from '../../helpers/runFiles.js';

/** What the case puts in the place of what a run draws. */
const given = vi.hoisted(() => ({
  templates: [] as string[],
  tokenizer: {} as unknown,
  /** Of the stage that runs. */
  batchesPerEpoch: 0,
  prompts: { text: [] as Float32Array[], vision: [] as Float32Array[] },
  projection: {} as Record<string, Float32Array>,
  /** What the context would have started from. */
  contexts: [] as (Float32Array | undefined)[],
}));
vi.mock('../../../models/clip/templates.js', async (original) => ({
  ...(await original<typeof Templates>()),
  PROMPTSRC_TEMPLATES: given.templates,
}));
vi.mock('../../../models/promptkd/shared/openTokenizer.js', () => ({
  openTokenizer: async () => given.tokenizer,
}));
vi.mock('../../../models/promptkd/shared/prompts.js', async (original) => {
  const actual = await original<typeof Prompts>();
  const initialPrompts: typeof actual.initialPrompts = (_shape, _config, _random, context) => {
    given.contexts.push(context);
    return given.prompts;
  };
  return { ...actual, initialPrompts };
});
vi.mock('../../../models/promptkd/shared/projection.js', async (original) => ({
  ...(await original<typeof Projection>()),
  initialProjection: () => given.projection,
}));
vi.mock('../../../models/datasets/loader.js', async (original) => {
  const { Loader } = await original<typeof Loaders>();
  /** Training images in the order of their names, a few batches an epoch and each image once in a run. */
  class InOrder extends Loader {
    constructor(...args: ConstructorParameters<typeof Loader>) {
      super(...args);
      const [platform, items, options] = args;
      if (!options.augment) return;
      const name = (index: number) => platform.baseName(items[index]!.path);
      const sorted = items.map((_, index) => index).sort((a, b) => (name(a) < name(b) ? -1 : 1));
      const size = given.batchesPerEpoch * options.batch;
      Object.assign(this, {
        batchesPerEpoch: given.batchesPerEpoch,
        order: (epoch: number) => sorted.slice((epoch - 1) * size, epoch * size),
        with: (changes: object) => new InOrder(platform, items, { ...options, ...changes }),
      });
    }
  }
  return { Loader: InOrder };
});

const CASE = fileURLToPath(new URL('../../goldens/stages', import.meta.url));
const reference = JSON.parse(readFileSync(join(CASE, 'case.json'), 'utf8')) as {
  classes: string[];
  templates: string[];
  stage1: Readonly<Record<string, number>>;
  stage2: Readonly<Record<string, number>>;
  losses: Readonly<Record<'stage1' | 'stage2', readonly Readonly<Record<string, number>>[]>>;
};
const { classes, templates, stage1, stage2, losses } = reference;
/** Of the six test images, whose predictions the case has: 1 of all classes and of the base ones; 6, 6, 5, 6, 5, 5 of the novel. */
const TEST_LABELS = [1, 6, 5, 2, 4, 5];

const folder = temporaryFolder('golden-runs');
const at = (...parts: string[]) => join(folder, ...parts);
let tensors: ReferenceTensors;
/** Values of an image as the model sees them, by the width of its file, which is all that the file is for. */
const pixels = new Map<number, Float32Array>();

beforeAll(async () => {
  tensors = await ReferenceTensors.open(nodePlatform, join(CASE, 'tensors.safetensors'));
  given.templates.push(...templates);
  given.tokenizer = await wordTokenizer();
  await writeImages('stage1');
  await writeImages('stage2');
  const { gpu } = await testJob();
  vi.spyOn(GpuPreprocessor.prototype, 'submit').mockImplementation((images, target) => {
    const values = images.flatMap(({ width }) => [...pixels.get(width)!]);
    gpu.device.queue.writeBuffer(target, 0, Float32Array.from(values));
  });
});

/** The words and ids of the case's sentences, which are all that its vocabulary of 16 holds. */
async function wordTokenizer(): Promise<Pick<Tokenizer, 'encode' | 'tokenize'>> {
  const sequences = await tensors.sequences('given.template_tokens');
  const words = (text: string) => text.replace('.', ' .').split(' ');
  const ids = new Map<string, number>();
  for (const [t, template] of templates.entries())
    for (const [c, name] of classes.entries())
      for (const [w, word] of words(template.replace('{}', name)).entries())
        ids.set(word, sequences[t * classes.length + c]![w + 1]!);
  const [start, end] = [sequences[0]![0]!, Math.max(...sequences[0]!)];
  const encode = (text: string) => words(text).map((word) => ids.get(word)!);
  return {
    encode,
    tokenize: (text, length) => {
      const row = new Int32Array(length);
      row.set([start, ...encode(text), end]);
      return row;
    },
  };
}

/** A data set with the images of a stage, `<class>/<step>-<row>.png`, and the test images. */
async function writeImages(stage: 'stage1' | 'stage2'): Promise<void> {
  const split = { train: [] as unknown[], val: [], test: [] as unknown[] };
  const root = at(stage, 'eurosat');
  const write = async (part: 'train' | 'test', file: string, label: number, values: Float32Array) => {
    const width = 20 + pixels.size;
    pixels.set(width, values);
    const path = `${classes[label]}/${file}.png`;
    mkdirSync(dirname(join(root, '2750', path)), { recursive: true });
    const blank = { width, height: 20, channels: 3, background: '#808080' } as const;
    await sharp({ create: blank })
      .png()
      .toFile(join(root, '2750', path));
    split[part].push([path, label, classes[label]]);
  };
  const rowsOf = async (name: string) => {
    const values = await tensors.floats(name);
    const [rows = 0] = tensors.shape(name);
    const size = values.length / rows;
    return Array.from({ length: rows }, (_, row) => values.subarray(row * size, (row + 1) * size));
  };
  for (let step = 0; step < reference[stage].steps!; step++) {
    const name = `given.stage1.labels.${step}`;
    const labels = stage === 'stage1' ? await tensors.integers(name) : Int32Array.of(0, 1, 2, 3);
    for (const [row, values] of (await rowsOf(`given.${stage}.images.${step}`)).entries())
      await write('train', `${step}-${row}`, labels[row]!, values);
  }
  for (const [row, values] of (await rowsOf('given.test.images')).entries())
    await write('test', `test-${row}`, TEST_LABELS[row]!, values);
  writeFileSync(join(root, 'split_zhou_EuroSAT.json'), JSON.stringify(split));
}

/** The settings of a stage of the case. */
const common = (stage: Readonly<Record<string, number>>) => ({
  ...{ batch: stage.batch, epochs: stage.epochs, learningRate: stage.lr, momentum: stage.momentum },
  ...{ weightDecay: stage.weight_decay, warmupEpochs: stage.warmup_epochs },
  ...{ warmupLearningRate: stage.warmup_lr, visionLength: 4 },
});

/** Every line of a step has the rate and the losses of the case, one line a step. */
function expectLosses(out: string, stage: 'stage1' | 'stage2'): void {
  const lines = metricsOf(out).filter((line) => 'loss' in line);
  expect(lines).toHaveLength(reference[stage].steps!);
  const perEpoch = reference[stage].steps! / reference[stage].epochs!;
  for (const [s, { lr, total, ...parts }] of losses[stage].entries()) {
    const { epoch, step, rate, ...found } = lines[s]!;
    expect([epoch, step]).toEqual([Math.floor(s / perEpoch) + 1, (s % perEpoch) + 1]);
    expect(rate! / lr!, `learning rate of step ${s}`).toBeCloseTo(1, 6);
    const expected: Readonly<Record<string, number>> = {
      ...(total !== undefined && { loss: total }),
      ...parts,
    };
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected))
      expect(Math.abs(found[name]! - value), `${name} of step ${s}`).toBeLessThan(1e-3 * expected.loss!);
  }
}

/** Parameters have moved as those of the case have: the way is compared, as it is short beside the values. */
async function expectMoved(
  found: ReadonlyMap<string, Float32Array>,
  names: readonly string[],
  started: (name: string) => Promise<Float32Array>,
  ended: (name: string) => Promise<Float32Array>,
): Promise<void> {
  for (const name of names) {
    const [from, to] = [await started(name), await ended(name)];
    const way = (values: Float32Array) => Float64Array.from(from, (value, i) => values[i]! - value);
    expect(found.get(name), name).toHaveLength(from.length);
    expect(relativeError(way(found.get(name)!), way(to)), name).toBeLessThan(0.01);
  }
}

describe('a run of stage 1', () => {
  it('has the losses, learning rates, prompts and averaged prompts of the reference', async () => {
    given.batchesPerEpoch = stage1.steps! / stage1.epochs!;
    given.prompts = {
      text: await tensors.list('given.teacher.prompts.text'),
      vision: await tensors.list('given.teacher.prompts.vision'),
    };
    const settings = {
      ...{ clip: join(CASE, 'teacher.safetensors'), data: at('stage1', 'eurosat') },
      ...{ ...common(stage1), classes: 'all', shots: 0, textDepth: 2, visionDepth: 1 },
      ...{ textWeight: stage1.w_text, imageWeight: stage1.w_image },
      ...{ averageMean: stage1.gpa_mean, averageDeviation: stage1.gpa_std },
    };
    await runTeacher(await testJob(), parseSettings(TeacherSettingsSchema, settings, 'test'), at('teacher'));
    expectLosses(at('teacher'), 'stage1');
    const names = ['text.0', 'text.1', 'vision.0'];
    const start = (name: string) => tensors.floats(`given.teacher.prompts.${name}`);
    const last = await tensorsOf(at('teacher', 'checkpoints', 'epoch-0003.safetensors'));
    await expectMoved(last, names, start, (name) => tensors.floats(`expect.stage1.last.${name}`));
    const saved = await tensorsOf(at('teacher', 'teacher.safetensors'));
    expect([...saved.keys()].sort()).toEqual(names);
    await expectMoved(saved, names, start, (name) => tensors.floats(`expect.stage1.averaged.${name}`));
    // The case's context starts from the embeddings of "a photo of a", and so would the run's own.
    expect(given.contexts).toHaveLength(1);
    expect(relativeError(given.contexts[0]!, await start('text.0'))).toBeLessThan(1e-6);
  });
});

describe('a run of stage 2 with that teacher', () => {
  const head = ['fc1', 'bn', 'fc2'].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);
  const identity = (name: string) =>
    new Float32Array(tensors.shape('expect.stage2.bn.mean')[0]!).fill(name === 'bn.var' ? 1 : 0);

  it('has the losses, learning rates, class vectors, parameters and predictions of the reference', async () => {
    given.batchesPerEpoch = stage2.steps! / stage2.epochs!;
    given.prompts = { text: [], vision: await tensors.list('given.student.prompts.vision') };
    for (const name of head)
      given.projection[name] = await tensors.floats(`given.student.projection.${name}`);
    for (const name of ['bn.mean', 'bn.var']) given.projection[name] = identity(name);
    const settings = {
      ...{ clip: join(CASE, 'student.safetensors'), data: at('stage2', 'eurosat'), teacher: at('teacher') },
      ...{ ...common(stage2), visionDepth: 2, evalEvery: 2 },
      ...{ temperature: stage2.temperature, kdWeight: stage2.kd_weight },
    };
    await runStudent(await testJob(), parseSettings(StudentSettingsSchema, settings, 'test'), at('student'));
    expectLosses(at('student'), 'stage2');
    const vectors = (await tensorsOf(at('student', 'class-vectors.safetensors'))).get('class_vectors')!;
    expect(relativeError(vectors, await tensors.floats('expect.class_vectors'))).toBeLessThan(1e-4);

    const saved = await tensorsOf(at('student', 'student.safetensors'));
    const prompts = ['vision.0', 'vision.1'];
    // BatchNorm takes the mean away: the bias in front of it moves by rounding and decay alone.
    const names = [
      ...prompts,
      ...head.filter((name) => name !== 'fc1.bias').map((name) => `projection.${name}`),
    ];
    await expectMoved(
      saved,
      names,
      (name) => tensors.floats(`given.student.${prompts.includes(name) ? 'prompts.' : ''}${name}`),
      (name) => tensors.floats(`expect.stage2.last.${name}`),
    );
    await expectMoved(
      saved,
      ['projection.bn.mean', 'projection.bn.var'],
      async (name) => identity(name.replace('projection.', '')),
      (name) => tensors.floats(`expect.stage2.${name.replace('projection.', '')}`),
    );
    // Base: 1 and 2 of which 1 is right; novel: 6, 5, 4, 5 of which 4 is wrong; all: only the first.
    const [{ epoch, ...accuracies } = {}] = metricsOf(at('student')).filter((line) => 'all' in line);
    expect([epoch, accuracies]).toEqual([2, { base: 50, novel: 75, harmonicMean: 60, all: 100 / 6 }]);
  });
});
