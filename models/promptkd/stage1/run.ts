/** Stage 1 as a job: data and model in, a run folder with the tuned prompts out. */
import { UserError } from '../../../engine/errors.js';
import { kernelWork } from '../../../engine/gpu/kernelChecks.js';
import { leafBuffer, readLeaf, write } from '../../../engine/gpu/memory.js';
import { cosineRate } from '../../../engine/train/optim.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import { noteOfficial } from '../../checkpoints/official.js';
import { tokenizeClasses } from '../../clip/classPrompts.js';
import { type ClipModel, loadModel } from '../../clip/model.js';
import { PROMPTSRC_TEMPLATES } from '../../clip/templates.js';
import { lookUp, readTokenRows } from '../../clip/text.js';
import { encodeSequences, tokenTable } from '../../clip/textEncoder.js';
import type { Tokenizer } from '../../clip/tokenizer.js';
import { checkImages } from '../../datasets/checkImages.js';
import { baseNovelSplit, type Dataset, selectClasses } from '../../datasets/dataset.js';
import { sampleFewShot } from '../../datasets/fewShot.js';
import { imageInputs } from '../../datasets/identity.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import type { Loader } from '../../datasets/loader.js';
import type { Skipped } from '../../datasets/skipped.js';
import { GpuPreprocessor } from '../../images/gpuPreprocess.js';
import type { Job } from '../../job.js';
import { Random } from '../../random.js';
import { type Inputs, stateOf } from '../../runs/checkpoints.js';
import { type RunFolder, withRunFolder } from '../../runs/runFolder.js';
import { SkippedImages } from '../../runs/skippedImages.js';
import { freeing, type Own, survivingLoss } from '../../runs/survival.js';
import { type TrainRunOptions, train } from '../../runs/train.js';
import { meanOverTemplates } from '../classVectors/classVectors.js';
import { encodeTeacher, TEACHER_FILE } from '../files/teacherFile.js';
import { METHOD_DEFAULTS, resolveTeacher, schedule } from '../shared/defaults.js';
import { withFittingBatch } from '../shared/fittingBatch.js';
import { ViewFeatures } from '../shared/fixedCrops.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import { teacherPipelinesAhead, teacherShape } from '../shared/pipelinesAhead.js';
import { checkPromptShape, initialPrompts, promptVariables } from '../shared/prompts.js';
import type { TeacherSettings } from '../shared/settings.js';
import { teacherRequest } from '../shared/shapes.js';
import { trainingLoader } from '../shared/trainingLoader.js';
import { runPlainTeacher } from './plainClip.js';
import { gaussianWeights, PromptAverage } from './promptAverage.js';
import { TeacherStep } from './step.js';

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

/**
 * Trains the teacher's prompts; returns the path of the file that holds them. A device that is lost on the way is opened again.
 *
 * @throws UserError when something of what is given is wrong or training diverges; Stopped when the user asks for it
 */
export async function runTeacher(
  surroundings: Job,
  given: TeacherSettings,
  out: string,
  { resume = false, ...options }: TrainRunOptions = {},
): Promise<string> {
  await survivingLoss(surroundings, (job, again) =>
    tune({ ...job, precision: given.precision }, given, out, { ...options, resume: resume || again }),
  );
  return surroundings.platform.join(out, TEACHER_FILE);
}

async function tune(job: Job, given: TeacherSettings, out: string, options: TrainRunOptions): Promise<void> {
  const { method } = given;
  const { resume } = options;
  if (method === 'clip') return runPlainTeacher(job, given, out, { resume, note: job.note });
  const { platform } = job;
  const checkpoint = await loadCheckpoint(platform, given.clip);
  // Awaited behind the weights: a hash of gigabytes takes as long as uploading them.
  const noted = noteOfficial(job, checkpoint);
  noted.catch(() => undefined);
  const settings = resolveTeacher({ ...given, method }, checkpoint.config);
  checkPromptShape(settings, checkpoint.config);
  const tokenizer = await openTokenizer(platform, given);
  const all = await loadDataset(platform, given.data, given);
  for (const note of all.notes ?? []) job.note(note);
  const wanted = trainingPart(all, given);
  const { items, skipped } = await checkImages(job, wanted.train, settings);
  const data = { ...wanted, train: items };
  const { config } = checkpoint;
  const words = contextWords(tokenizer, settings.contextInit, settings.textLength);
  const tokenize: Tokenize = (text, names) =>
    tokenizeClasses(tokenizer, text, names, config.text.contextLength);
  // Of all classes, as the novel ones' vectors are wanted after the training: too late for a name that does not fit.
  tokenize(words.template, all.classNames);
  const loader = trainingLoader(platform, data.train, settings, config.vision.resolution, skipped);
  const inputs = await imageInputs(platform, wanted, wanted.train);
  const task = { job, settings, checkpoint, noted, data, inputs, skipped, loader, words, tokenize };
  await withRunFolder(platform, out, 'teacher', settings, { resume, note: job.note }, (folder) =>
    freeing((own) => tuneIn(folder, task, options, own)),
  );
}

type Tokenize = (template: string, names: readonly string[]) => ArrayLike<number>[];

/** What is known before the run's folder is opened. */
interface Task {
  readonly job: Job;
  readonly settings: ReturnType<typeof resolveTeacher>;
  readonly checkpoint: ClipCheckpoint;
  readonly noted: Promise<unknown>;
  /** The part that is trained on. */
  readonly data: Dataset;
  readonly inputs: Inputs;
  readonly skipped: Skipped;
  readonly loader: Loader;
  readonly words: ContextWords;
  readonly tokenize: Tokenize;
}

async function tuneIn(
  folder: RunFolder,
  { job, settings, checkpoint, noted, data, inputs, skipped, loader, words, tokenize }: Task,
  { resume, ...options }: TrainRunOptions,
  own: Own,
): Promise<void> {
  const { gpu, precision, platform } = job;
  const { method } = settings;
  const { config } = checkpoint;
  const { train: items, classNames } = data;
  const { template, initialTokens } = words;
  teacherPipelinesAhead(job, config, settings, classNames.length);
  const model = await loadModel(gpu, checkpoint, { precision });
  own({ destroy: () => model.release() });
  await noted;
  job.mark?.('weights');

  const frozenText =
    method === 'promptsrc' ? await meanTemplateFeatures(job, model, tokenize, classNames) : undefined;
  const broken = await SkippedImages.open(platform, folder, skipped);
  // Kept features of the frozen encoder replace it where it is what the step needs.
  const usesFrozenImages = method === 'promptsrc' || settings.visionDepth === 0;
  const views =
    settings.views > 0 && usesFrozenImages
      ? await ViewFeatures.compute(job, model, [], items, {
          ...settings,
          batch: 16,
          label: 'frozen image features',
          skipped,
        })
      : undefined;

  const initial = initialPrompts(
    settings,
    config,
    Random.of(settings.seed, 'teacher prompts'),
    initialTokens &&
      lookUp(await readTokenRows(tokenTable(model), [initialTokens]), config.text.width, initialTokens),
  );
  const prompts = promptVariables(initial, config);
  // Decoded while kernels are compiled.
  if (!resume) loader.start(1);
  const compiling = job.begin('compiling stage 1', 1);
  const stepShape = teacherShape(job, settings, classNames.length);
  const step = own(
    await TeacherStep.create(
      gpu,
      model,
      prompts,
      tokenize(template, classNames),
      frozenText,
      { ...settings, frozenImages: views ? 'given' : 'compute' },
      { onProgress: (done, total) => compiling.update(done / total) },
    ).catch((error) => {
      const withBatch = (batch: number) => teacherRequest(config, { ...stepShape, batch });
      throw withFittingBatch(error, settings.batch, withBatch, gpu.capabilities);
    }),
  );
  const { parameters, optimiser } = step.graph;
  const average = method === 'promptsrc' ? own(await PromptAverage.create(gpu, parameters)) : undefined;
  const preprocessor = own(
    await GpuPreprocessor.create(gpu, { size: config.vision.resolution, batch: settings.batch }),
  );
  compiling.end();
  job.mark?.('compiled', { dispatches: step.plan.describe().dispatches, ...kernelWork(gpu) });
  const weights = gaussianWeights(settings.epochs, settings.averageMean, settings.averageDeviation);

  const rates = schedule(settings, METHOD_DEFAULTS[method].batch);
  await train(
    job,
    folder,
    {
      label: 'stage 1: tuning the teacher',
      epochs: settings.epochs,
      loader,
      accumulate: settings.accumulate,
      batch: settings.batch,
      flops: step.plan.describe().flops,
      rate: (epoch) => cosineRate(rates, epoch),
      step: ({ images, items: batch, indices }, epoch, rate) => {
        preprocessor.submit(images, leafBuffer(gpu, step.graph.images));
        if (views) write(gpu, step.graph.frozenFeatures!, views.batch(epoch, indices));
        step.run(
          Int32Array.from(batch, (item) => item.label),
          rate,
        );
      },
      losses: () => step.readLosses(),
      endEpoch: (epoch) => average?.add(weights[epoch - 1]!),
      state: stateOf(parameters, optimiser.state, average?.sums ?? []),
      flush: () => broken.flush(),
      inputs: { CLIP: await checkpoint.sha256(), ...inputs },
    },
    options,
  );

  const last = () => Promise.all(parameters.map((parameter) => readLeaf(gpu, parameter)));
  const values = await (average ? average.read() : last());
  await broken.flush();
  await folder.report('Stage 1: the teacher', gpu.adapter.name);
  // Last: where it is, the run is finished.
  await folder.write(
    TEACHER_FILE,
    encodeTeacher(
      { text: values.slice(0, prompts.text.length), vision: values.slice(prompts.text.length) },
      config,
      { template, classNames, clip: settings.clip, clipHash: await checkpoint.sha256() },
    ),
  );
  const summary = broken.summary();
  if (summary) job.note(summary);
}

/** Mean over PromptSRC's templates of the frozen text features, not normalised, `[classes, embed]`. */
async function meanTemplateFeatures(
  job: Job,
  model: ClipModel,
  tokenize: Tokenize,
  classNames: readonly string[],
): Promise<Float32Array> {
  const sequences = PROMPTSRC_TEMPLATES.flatMap((template) => tokenize(template, classNames));
  const bar = job.begin('frozen text features', sequences.length);
  const features = await encodeSequences(job.gpu, model, sequences, [], (done) => bar.update(done));
  bar.end();
  return meanOverTemplates(features, PROMPTSRC_TEMPLATES.length, model.config.embed);
}

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
