/** Stage 2 as a job: a tuned teacher, a small CLIP and unlabelled images in, a run folder with the student out. */
import { readLeaf, type Tensor, UserError } from '../../../engine/index.js';
import { loadModel } from '../../clip/model.js';
import { checkImages } from '../../datasets/checkImages.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { imageInputs } from '../../datasets/identity.js';
import type { Job } from '../../job.js';
import { Random } from '../../random.js';
import { stateOf } from '../../runs/checkpoints.js';
import type { TrainRunOptions } from '../../runs/train.js';
import { type ClassVectors, encodeClassVectors, pickClasses } from '../classVectors/classVectors.js';
import { studentClasses, teacherClasses } from '../classVectors/runClasses.js';
import { STUDENT_FILE } from '../files/learnedFile.js';
import { loadTeacher } from '../files/loadTeacher.js';
import { CLASS_VECTORS_FILE, encodeStudent } from '../files/studentFile.js';
import { checkVectorLength, PAPER_BATCH, type ResolvedStudent, resolveStudent } from '../shared/defaults.js';
import { classTensor, type StudentVariables, studentLogits } from '../shared/logits.js';
import { pipelinesAhead } from '../shared/pipelinesAhead.js';
import { projectionTensors } from '../shared/projection.js';
import type { StudentSettings } from '../shared/settings.js';
import { runStage, type Stage, type StageBuild, type StageData } from '../shared/stageRun.js';
import { shapeOfTeacher } from '../shared/teacher.js';
import { BestEpoch, type DecidingImages, decidingImages } from './bestEpoch.js';
import { EpochEvaluator, testImages } from './betweenEpochs.js';
import { classVectorRequest, studentRequests } from './plan.js';
import { studentGraph } from './step.js';
import { openTeacherFeatures } from './teacherFeatures.js';
import { cropCount, distillationImages } from './trainingImages.js';
import { studentVariables } from './variables.js';

type Settings = ResolvedStudent<StudentSettings>;

/** What stage 2 knows before the run's folder is opened. */
interface StudentData extends StageData {
  readonly dataset: Dataset;
  /** The images that decide between epochs, where the last one is not kept anyway. */
  readonly deciding?: DecidingImages;
  /** The images that show how good each epoch is, where the settings ask for that. */
  readonly test?: readonly ImageItem[];
}

type Build = StageBuild<Settings, StudentData>;

/**
 * Distils the student; returns the path of the file that holds it. A device that is lost on the way is opened again.
 *
 * @throws UserError when settings or files are wrong, or training diverges; Stopped when the user asks for it
 */
export async function runStudent(
  job: Job,
  settings: StudentSettings,
  out: string,
  options: TrainRunOptions = {},
): Promise<string> {
  await runStage(STAGE, job, settings, out, options);
  return job.platform.join(out, STUDENT_FILE);
}

const STAGE: Stage<StudentSettings, Settings, StudentData> = {
  kind: 'student',
  number: 2,
  doing: 'distilling the student',
  baseBatch: () => PAPER_BATCH,
  resolve: resolveStudent,

  async read({ job, settings, dataset }) {
    const wanted = distillationImages(dataset, settings);
    const { items, skipped } = await checkImages(job, wanted, settings);
    const deciding = decidingImages(dataset, settings);
    const test = testImages(dataset, settings);
    const good = async (images: readonly ImageItem[]) => {
      const { items: left } = await checkImages(job, images, { ...settings, skipped });
      if (left.length > 0) return left;
      throw new UserError('there are no images to load', 'check the data set and the classes');
    };
    return {
      ...{ items, skipped, dataset },
      inputs: await imageInputs(job.platform, dataset, wanted),
      deciding: deciding && { ...deciding, items: await good(deciding.items) },
      test: test && (await good(test)),
    };
  },

  async build(stage) {
    const { job, settings, checkpoint, data, own } = stage;
    const { gpu, platform } = job;
    const { config } = checkpoint;
    const { model, teacher } = await loadModels(stage);
    const shared = await teacherClasses(job, settings, data.dataset, teacher);
    teacher.model.releaseText();
    const fromStudent =
      settings.textFeatures === 'student'
        ? await studentClasses(job, settings, checkpoint, shared.classNames)
        : undefined;
    const classes = fromStudent ?? shared;
    checkVectorLength(settings, config.embed, classes.embed);

    const random = Random.of(settings.seed, 'student');
    const variables = studentVariables(model, settings, classes.embed, random);
    const features = own(
      await openTeacherFeatures(job, teacher, data.items, {
        ...settings,
        skipped: data.skipped,
        size: config.vision.resolution,
        crops: cropCount(stage.loader, data.items, settings),
      }),
    );
    const source = { ...features.source, ...(fromStudent && { classes: classTensor(shared) }) };
    const graph = studentGraph(model, variables, classTensor(classes), source, settings);
    const loader = stage.loader.with(features.needs);
    const sizes = { classes: classes.count, capabilities: gpu.capabilities };
    const shape = shapeOfTeacher(teacher.model.config, teacher.prompts);
    const step = await stage.compile(
      graph,
      loader,
      (batch) => studentRequests(shape, config, { ...settings, batch }, sizes).train,
    );

    const { statistics } = projectionTensors(variables.projection);
    const trained = [...graph.parameters, ...statistics];
    const best = data.deciding && own(new BestEpoch(gpu, data.deciding, trained, data.skipped));
    const evaluator = await openEvaluator(stage, best, classes, (picked, images) =>
      studentLogits(model, variables, picked, images),
    );
    return {
      ...{ step, loader },
      feed: (batch, epoch) => features.feed(graph, batch, epoch),
      prepare: features.prepare?.bind(features),
      endEpoch: async (epoch, note) => {
        const lines = await evaluator?.after(epoch, job, note);
        if (lines?.test) stage.folder.log(lines.test, 'test');
        if (lines?.selection) stage.folder.log(lines.selection);
      },
      flush: async () => features.flush?.(),
      state: stateOf(graph.parameters, graph.optimiser.state, statistics, best?.state ?? []),
      inputs: {
        teacher: teacher.hash ?? teacher.clipHash,
        ...(settings.classVectors && { 'class vectors': await platform.sha256(settings.classVectors) }),
      },
      results: async () => {
        features.summary?.();
        await best?.restore(job);
        return [
          [CLASS_VECTORS_FILE, encodeClassVectors(classes)],
          [STUDENT_FILE, await encodedStudent(stage, variables, classes)],
        ];
      },
    };
  },
};

/** What evaluates the student between epochs, where the settings ask for it. */
async function openEvaluator(
  { job, settings, checkpoint, data, own }: Build,
  best: BestEpoch | undefined,
  classes: ClassVectors,
  logits: (classes: Tensor, images: Tensor) => Tensor,
): Promise<EpochEvaluator | undefined> {
  const { test, dataset, skipped } = data;
  if (!best && !test) return undefined;
  const size = checkpoint.config.vision.resolution;
  const picked = classTensor(pickClasses(classes, dataset.classNames, 'the class vectors'));
  const graph = (images: Tensor) => logits(picked, images);
  return own(await EpochEvaluator.create(job.gpu, size, graph, { ...settings, test, best, skipped }));
}

/** Classes where a data set names none, for kernels that are made ahead. */
const SOME_CLASSES = 100;

/** The student's image encoder and the teacher, both at once, as each waits for its files. */
async function loadModels({ job, settings, checkpoint, data, own, weightsLoaded }: Build) {
  const { gpu, precision } = job;
  // Before any kernel is tuned, which uploads would disturb.
  const loading = loadModel(gpu, checkpoint, { text: false, trainable: settings.train === 'all', precision });
  loading.catch(() => undefined);
  own({ destroy: () => void loading.then((loaded) => loaded.release()).catch(() => undefined) });
  const teacher = await loadTeacher(job, settings.teacher, settings.teacherClip, {
    vision: !settings.teacherCache,
    text: settings.classVectors === undefined,
    onShape: (shape) => {
      const classes = data.dataset.classNames.length || SOME_CLASSES;
      const sizes = { classes, capabilities: gpu.capabilities };
      const known = settings.classVectors !== undefined;
      pipelinesAhead(gpu, [
        ...(known ? [] : [() => classVectorRequest(shape, settings, sizes)]),
        () => studentRequests(shape, checkpoint.config, settings, sizes).train,
      ]);
    },
  });
  own({ destroy: () => teacher.model.release() });
  const model = await loading;
  await weightsLoaded();
  return { model, teacher };
}

/** The file of the student as it is now. */
async function encodedStudent(
  { job, settings, checkpoint }: Build,
  { prompts, projection, weights = [] }: StudentVariables,
  classes: ClassVectors,
): Promise<Uint8Array> {
  const { config } = checkpoint;
  const read = (leaf: Tensor) => readLeaf(job.gpu, leaf);
  const head = Object.entries(projection).map(async ([name, leaf]) => [name, await read(leaf)] as const);
  const tower = weights.map(async (leaf) => ({
    name: leaf.label,
    shape: leaf.shape,
    data: await read(leaf),
  }));
  return encodeStudent({
    prompts: await Promise.all(prompts.map(read)),
    projection: Object.fromEntries(await Promise.all(head)),
    weights: await Promise.all(tower),
    width: config.vision.width,
    inputs: config.embed,
    outputs: classes.embed,
    clip: settings.clip,
    clipHash: await checkpoint.sha256(),
  });
}
