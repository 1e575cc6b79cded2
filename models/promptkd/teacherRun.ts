/** Stage 1 as a job: data and model in, a run folder with the tuned prompts out. */
import { UserError } from '../../engine/errors.js';
import { leafBuffer, write } from '../../engine/memory.js';
import { cosineRate } from '../../engine/optim.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { tokenizeClasses } from '../clip/classPrompts.js';
import { GpuPreprocessor } from '../clip/gpuPreprocess.js';
import { type ClipModel, loadModel } from '../clip/model.js';
import { PROMPTSRC_TEMPLATES } from '../clip/templates.js';
import { lookUp } from '../clip/text.js';
import { encodeSequences, tokenTable } from '../clip/textEncoder.js';
import type { Tokenizer } from '../clip/tokenizer.js';
import { baseNovelSplit, type Dataset, loadDataset, selectClasses } from '../datasets/dataset.js';
import { sampleFewShot } from '../datasets/fewShot.js';
import { Loader } from '../datasets/loader.js';
import type { Job } from '../job.js';
import { Random } from '../random.js';
import { RunFolder } from '../runs/runFolder.js';
import { train } from '../runs/train.js';
import { stateOf } from '../runs/trainingState.js';
import { meanOverTemplates } from './classVectors.js';
import { openTokenizer } from './openTokenizer.js';
import { gaussianWeights, PromptAverage } from './promptAverage.js';
import { checkPromptShape, initialPrompts, promptVariables } from './prompts.js';
import type { TeacherSettings } from './settings.js';
import { TeacherStep } from './teacher.js';
import { encodeTeacher, TEACHER_FILE } from './teacherFile.js';
import { ViewFeatures } from './viewFeatures.js';

/** The paper's prompt depth; models with fewer blocks take all of theirs. */
export const DEFAULT_DEPTH = 9;

/** Settings with every default that depends on the model filled in. */
function resolve(settings: TeacherSettings, { config }: ClipModel) {
  return {
    ...settings,
    textDepth: settings.textDepth ?? Math.min(DEFAULT_DEPTH, config.text.layers),
    visionDepth: settings.visionDepth ?? Math.min(DEFAULT_DEPTH, config.vision.layers),
    averageMean: settings.averageMean ?? Math.round(0.75 * settings.epochs),
  };
}

/** How class names become prompts of a tuned model. */
export interface ContextWords {
  /** With `{}` where the class name goes. */
  readonly template: string;
  /** Ids of the first words, which the learned context replaces; undefined when it starts random. */
  readonly initialTokens?: Int32Array;
}

/**
 * The words in front of the class name. As the reference does: the given words where they have at least `length`
 * tokens, else `length` times "X" and a context that starts random.
 */
export function contextWords(tokenizer: Tokenizer, init: string, length: number): ContextWords {
  const ids = tokenizer.encode(init);
  if (ids.length >= length)
    return { template: `${init} {}.`, initialTokens: Int32Array.from(ids.slice(0, length)) };
  return { template: `${Array(length).fill('X').join(' ')} {}.` };
}

/** Trains the teacher's prompts; returns the path of the file that holds them. */
export async function runTeacher(
  job: Job,
  given: TeacherSettings,
  out: string,
  { resume = false } = {},
): Promise<string> {
  const { gpu, platform } = job;
  const checkpoint = await loadCheckpoint(platform, given.clip);
  const tokenizer = await openTokenizer(platform, given);
  const data = await loadDataset(platform, given.data, { dataset: given.dataset });
  const subset = trainingPart(data, given);
  const { template, initialTokens } = contextWords(tokenizer, given.contextInit, given.textLength);
  const tokenize = (text: string, names: readonly string[]) =>
    tokenizeClasses(tokenizer, text, names, checkpoint.config.text.contextLength);
  // Of all classes, as the novel ones' vectors are wanted after the training: too late for a name that does not fit.
  tokenize(template, data.classNames);
  const items = subset.train;
  const model = await loadModel(gpu, checkpoint);
  const settings = resolve(given, model);
  checkPromptShape(settings, model.config);
  const folder = await RunFolder.open(platform, out, 'teacher', settings, resume);
  const { config } = model;

  const classTokens = tokenize(template, subset.classNames);
  const templateTokens = PROMPTSRC_TEMPLATES.flatMap((text) => tokenize(text, subset.classNames));

  const loader = new Loader(platform, items, {
    batch: settings.batch,
    seed: settings.seed,
    size: config.vision.resolution,
    augment: true,
    cropScale: settings.cropScale,
    ...(settings.views > 0 && { views: settings.views }),
  });

  const textBar = job.begin('frozen text features', templateTokens.length);
  const frozen = meanOverTemplates(
    await encodeSequences(gpu, model, templateTokens, [], (done) => textBar.update(done)),
    PROMPTSRC_TEMPLATES.length,
    config.embed,
  );
  textBar.end();
  const views =
    settings.views > 0
      ? await ViewFeatures.compute(job, model, [], items, {
          ...settings,
          batch: 16,
          label: 'frozen image features',
        })
      : undefined;

  const initial = initialPrompts(
    settings,
    config,
    Random.of(settings.seed, 'teacher prompts'),
    initialTokens && lookUp(tokenTable(model), config.text.width, initialTokens),
  );
  const prompts = promptVariables(initial, config);
  const compiling = job.begin('compiling stage 1', 1);
  const step = await TeacherStep.create(
    gpu,
    model,
    prompts,
    classTokens,
    frozen,
    { ...settings, frozenImages: views ? 'given' : 'compute' },
    { onProgress: (done, total) => compiling.update(done / total) },
  );
  const average = await PromptAverage.create(gpu, step.graph.parameters);
  const preprocessor = await GpuPreprocessor.create(gpu, {
    size: config.vision.resolution,
    batch: settings.batch,
  });
  compiling.end();
  const weights = gaussianWeights(settings.epochs, settings.averageMean, settings.averageDeviation);

  await train(job, folder, {
    label: 'stage 1: tuning the teacher',
    epochs: settings.epochs,
    loader,
    rate: (epoch) => cosineRate(schedule(settings), epoch),
    step: ({ images, items: batch, indices }, epoch, rate) => {
      preprocessor.submit(images, leafBuffer(gpu, step.graph.images));
      if (views) write(gpu, step.graph.frozenFeatures!, views.batch(epoch, indices));
      step.run(
        Int32Array.from(batch, (item) => item.label),
        rate,
      );
    },
    losses: async () => {
      const { total, ...parts } = await step.readLosses();
      return { loss: total, ...parts };
    },
    endEpoch: (epoch) => average.add(weights[epoch - 1]!),
    state: stateOf(step.graph.parameters, step.graph.optimiser.state, average.sums),
  });

  const averaged = await average.read();
  const values = {
    text: averaged.slice(0, prompts.text.length),
    vision: averaged.slice(prompts.text.length),
  };
  await folder.write(
    TEACHER_FILE,
    encodeTeacher(values, model.config, {
      template,
      classNames: subset.classNames,
      clip: given.clip,
      clipHash: await checkpoint.sha256(),
    }),
  );
  step.plan.destroy();
  average.destroy();
  preprocessor.destroy();
  model.release();
  return folder.join(TEACHER_FILE);
}

/** The optimiser's settings as a schedule. */
export const schedule = (settings: {
  learningRate: number;
  epochs: number;
  warmupEpochs: number;
  warmupLearningRate: number;
}) => ({
  rate: settings.learningRate,
  epochs: settings.epochs,
  warmupEpochs: settings.warmupEpochs,
  warmupRate: settings.warmupLearningRate,
});

/**
 * The part of a data set that stage 1 is tuned on. As in the reference, the few images of each class are drawn from all
 * classes and the base ones chosen afterwards: the same images for the same seed.
 *
 * @throws UserError when the images have no labels
 */
export function trainingPart(
  data: Dataset,
  { shots, seed, classes, data: path }: Pick<TeacherSettings, 'shots' | 'seed' | 'classes' | 'data'>,
): Dataset {
  if (data.classNames.length === 0)
    throw new UserError(
      `${path} has no labels, and stage 1 needs them`,
      'give a folder with one sub-folder a class',
    );
  const drawn = shots === 0 ? data : { ...data, ...sampleFewShot(data, shots, seed) };
  const split = baseNovelSplit(data.classNames.length);
  return classes === 'all' ? drawn : selectClasses(drawn, split[classes]);
}
