/** Stage 1 as a job: data and model in, a run folder with the tuned prompts out. */
import { readLeaf, write } from '../../../engine/index.js';
import { tokenizeClasses } from '../../clip/classPrompts.js';
import { type ClipModel, loadModel } from '../../clip/model.js';
import { PROMPTSRC_TEMPLATES } from '../../clip/templates.js';
import { trimTokens } from '../../clip/text.js';
import { checkImages } from '../../datasets/checkImages.js';
import { imageInputs } from '../../datasets/identity.js';
import type { Job } from '../../job.js';
import { Random } from '../../random.js';
import { stateOf } from '../../runs/checkpoints.js';
import type { TrainRunOptions } from '../../runs/train.js';
import { TEACHER_FILE } from '../files/learnedFile.js';
import { encodeTeacher } from '../files/teacherFile.js';
import { contextWords } from '../shared/contextWords.js';
import {
  METHOD_DEFAULTS,
  type ResolvedTeacher,
  resolveTeacher,
  type TuningMethod,
} from '../shared/defaults.js';
import { FixedCrops } from '../shared/fixedCrops.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import { pipelinesAhead } from '../shared/pipelinesAhead.js';
import { initialPrompts, type Prompts, promptVariables } from '../shared/prompts.js';
import type { TeacherSettings } from '../shared/settings.js';
import { runStage, type Stage, type StageData } from '../shared/stageRun.js';
import { classInputs, embedTokens, meanTemplateFeatures } from './classInputs.js';
import { runPlainTeacher } from './plainClip.js';
import { frozenTextRequest, teacherRequest } from './plan.js';
import { PromptAverage } from './promptAverage.js';
import { teacherGraph } from './step.js';
import { trainingPart } from './trainingPart.js';

type Requested = TeacherSettings & { readonly method: TuningMethod };
type Settings = ResolvedTeacher<Requested>;
type Sequences = readonly ArrayLike<number>[];

/** What stage 1 knows before the run's folder is opened. */
interface TeacherData extends StageData {
  /** Names of the classes that are tuned on. */
  readonly classNames: readonly string[];
  /** Class prompt with `{}` where the name goes. */
  readonly template: string;
  /** Ids of the words that the context starts from; undefined when it starts random. */
  readonly initialTokens?: Int32Array;
  /** Padded prompts of those classes. */
  readonly classTokens: Sequences;
  /** The same in PromptSRC's templates, template by template. */
  readonly frozenTokens: Sequences;
}

/**
 * Tunes the teacher's prompts; returns the path of the file that holds them. A device that is lost on the way is opened again.
 *
 * @throws UserError when settings or files are wrong, or training diverges; Stopped when the user asks for it
 */
export async function runTeacher(
  job: Job,
  settings: TeacherSettings,
  out: string,
  options: TrainRunOptions = {},
): Promise<string> {
  const { method } = settings;
  if (method === 'clip') await runPlainTeacher(job, settings, out, { ...options, note: job.note });
  else await runStage(STAGE, job, { ...settings, method }, out, options);
  return job.platform.join(out, TEACHER_FILE);
}

const STAGE: Stage<Requested, Settings, TeacherData> = {
  kind: 'teacher',
  number: 1,
  doing: 'tuning the teacher',
  baseBatch: ({ method }) => METHOD_DEFAULTS[method].batch,
  resolve: resolveTeacher,

  async read({ job, settings, checkpoint, dataset }) {
    const { platform } = job;
    const { contextLength } = checkpoint.config.text;
    const tokenizer = await openTokenizer(platform, settings);
    const { template, initialTokens } = contextWords(tokenizer, settings.contextInit, settings.textLength);
    const tokenize = (text: string, names: readonly string[]) =>
      tokenizeClasses(tokenizer, text, names, contextLength);
    const part = trainingPart(dataset, settings);
    // Of all classes, as those of the novel ones are wanted after the training: too late for a name that does not fit.
    tokenize(template, dataset.classNames);
    const { classNames } = part;
    return {
      ...(await checkImages(job, part.train, settings)),
      inputs: await imageInputs(platform, part, part.train),
      ...{ classNames, template, initialTokens },
      classTokens: tokenize(template, classNames),
      frozenTokens:
        settings.method === 'promptsrc'
          ? PROMPTSRC_TEMPLATES.flatMap((text) => tokenize(text, classNames))
          : [],
    };
  },

  async build(stage) {
    const { job, settings, checkpoint, data, own } = stage;
    const { gpu, precision } = job;
    const { config } = checkpoint;
    const promptSrc = settings.method === 'promptsrc';
    const { count: classes, length: tokens } = trimTokens(data.classTokens);
    const sizes = { classes, tokens, capabilities: gpu.capabilities };
    pipelinesAhead(gpu, [
      ...(promptSrc ? [() => frozenTextRequest(config, settings, sizes)] : []),
      () => teacherRequest(config, settings, sizes),
    ]);
    const model = await loadModel(gpu, checkpoint, { precision });
    own({ destroy: () => model.release() });
    await stage.weightsLoaded();

    const frozenText = promptSrc ? await meanTemplateFeatures(job, model, data.frozenTokens) : undefined;
    const prompts = await startingPrompts(model, settings, data.initialTokens);
    const inputs = await classInputs(model, data.classTokens, frozenText);
    const graph = teacherGraph(model, prompts, inputs, settings);
    const crops =
      graph.frozenFeatures &&
      (await FixedCrops.compute(job, model, [], data.items, {
        ...settings,
        label: 'frozen image features',
        skipped: data.skipped,
      }));
    const step = await stage.compile(graph, stage.loader, (batch) =>
      teacherRequest(config, { ...settings, batch }, sizes),
    );
    const { parameters, optimiser, labels, frozenFeatures } = graph;
    const average = promptSrc ? own(await PromptAverage.create(gpu, parameters, settings)) : undefined;
    return {
      step,
      loader: stage.loader,
      feed: ({ items, indices }, epoch) => {
        const found = items.map(({ label }) => label);
        write(gpu, labels, Int32Array.from(found));
        if (crops && frozenFeatures) write(gpu, frozenFeatures, crops.batch(epoch, indices));
      },
      endEpoch: (epoch) => average?.endEpoch(epoch),
      state: stateOf(parameters, optimiser.state, average?.sums ?? []),
      results: async () => {
        const last = () => Promise.all(parameters.map((parameter) => readLeaf(gpu, parameter)));
        const values = await (average ? average.read() : last());
        const split = prompts.text.length;
        const { template, classNames } = data;
        const origin = { template, classNames, clip: settings.clip, clipHash: await checkpoint.sha256() };
        const tuned = { text: values.slice(0, split), vision: values.slice(split) };
        return [[TEACHER_FILE, encodeTeacher(tuned, config, origin)]];
      },
    };
  },
};

/** The prompts that training starts from: the context from the embeddings of the initial words, all others random. */
async function startingPrompts(
  model: ClipModel,
  settings: Settings,
  initialTokens: Int32Array | undefined,
): Promise<Prompts> {
  const { config } = model;
  const context = initialTokens && (await embedTokens(model, initialTokens));
  const random = Random.of(settings.seed, 'teacher prompts');
  return promptVariables(initialPrompts(settings, config, random, context), config);
}
