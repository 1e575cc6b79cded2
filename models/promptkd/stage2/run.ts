/** Stage 2 as a job: a tuned teacher, a small CLIP and unlabelled images in, a run folder with the student out. */
import { readLeaf, type Tensor } from '../../../engine/index.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import { loadModel } from '../../clip/model.js';
import { checkImages } from '../../datasets/checkImages.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { imageInputs } from '../../datasets/identity.js';
import type { Loader } from '../../datasets/loader.js';
import type { Job } from '../../job.js';
import { Random } from '../../random.js';
import { stateOf } from '../../runs/checkpoints.js';
import type { TrainRunOptions } from '../../runs/train.js';
import { type ClassVectors, encodeClassVectors, pickClasses } from '../classVectors/classVectors.js';
import { studentClasses, teacherClasses } from '../classVectors/runClasses.js';
import { STUDENT_FILE } from '../files/learnedFile.js';
import { loadTeacher } from '../files/loadTeacher.js';
import { CLASS_VECTORS_FILE, encodeStudent } from '../files/studentFile.js';
import { checkEmbeddings, PAPER_BATCH, type ResolvedStudent, resolveStudent } from '../shared/defaults.js';
import { classTensor, type StudentVariables, studentLogits } from '../shared/logits.js';
import { pipelinesAhead } from '../shared/pipelinesAhead.js';
import { projectionTensors } from '../shared/projection.js';
import type { StudentSettings } from '../shared/settings.js';
import { runStage, type Stage, type StageBuild, type StageData } from '../shared/stageRun.js';
import { shapeOfTeacher, type TeacherShape } from '../shared/teacher.js';
import { BestEpoch, type DecidingImages, decidingImages } from './bestEpoch.js';
import type { LabelledImages } from './betweenEpochs.js';
import { EpochAccuracy, testImages } from './epochAccuracy.js';
import { classEmbeddingRequest, studentRequests } from './plan.js';
import { studentGraph } from './step.js';
import { openTeacherFeatures } from './teacherFeatures.js';
import { distillationImages } from './trainingImages.js';
import { studentVariables } from './variables.js';

type Settings = ResolvedStudent<StudentSettings>;

/** What stage 2 knows before the run's folder is opened. */
interface StudentData extends StageData {
  readonly dataset: Dataset;
  /** The images that decide between epochs, where the last one is not kept anyway. */
  readonly deciding?: DecidingImages;
  /** The images that show how good each epoch is, where the settings ask for that. */
  readonly test?: LabelledImages;
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
    const checked = async <T extends LabelledImages>(images: T | undefined) =>
      images && { ...images, ...(await checkImages(job, images.items, { ...settings, skipped })) };
    return {
      ...{ items, skipped, dataset },
      inputs: await imageInputs(job.platform, dataset, wanted),
      deciding: await checked(decidingImages(dataset, settings)),
      test: await checked(testImages(dataset, settings)),
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
    checkEmbeddings(settings, config.embed, classes.embed);

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
    const looks = await betweenEpochs(
      stage,
      classes,
      [...graph.parameters, ...statistics],
      (picked, images) => studentLogits(model, variables, picked, images),
    );
    return {
      ...{ step, loader },
      feed: (batch, epoch) => features.feed(graph, batch, epoch),
      prepare: features.prepare,
      endEpoch: async (epoch, note) => {
        for (const line of (await looks.accuracy?.after(epoch, job, note)) ?? [])
          stage.folder.log(line, 'test');
        if (looks.best) stage.folder.log(await looks.best.consider(job, epoch, note));
      },
      flush: async () => features.flush?.(),
      state: stateOf(graph.parameters, graph.optimiser.state, statistics, looks.best?.state ?? []),
      inputs: {
        teacher: teacher.hash ?? teacher.clipHash,
        ...(settings.classVectors && { 'class vectors': await platform.sha256(settings.classVectors) }),
      },
      results: async () => {
        features.summary?.();
        await looks.best?.restore(job);
        return [
          [CLASS_VECTORS_FILE, encodeClassVectors(classes)],
          [STUDENT_FILE, await encodedStudent(stage, variables, classes)],
        ];
      },
    };
  },
};

/** What looks at the student between epochs, where the settings ask for it. */
async function betweenEpochs(
  { job, settings, checkpoint, data, own }: Build,
  classes: ClassVectors,
  trained: readonly Tensor[],
  logits: (classes: Tensor, images: Tensor) => Tensor,
): Promise<{ readonly best?: BestEpoch; readonly accuracy?: EpochAccuracy }> {
  const { deciding, test, dataset } = data;
  if (!deciding && !test) return {};
  const { gpu } = job;
  const size = checkpoint.config.vision.resolution;
  const picked = classTensor(pickClasses(classes, dataset.classNames, 'the class vectors'));
  const graph = (images: Tensor) => logits(picked, images);
  return {
    best: deciding && own(await BestEpoch.create(gpu, deciding, size, trained, graph)),
    accuracy: test && own(await EpochAccuracy.create(gpu, test, size, settings, graph)),
  };
}

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
    onShape: (shape) => compileAhead(job, settings, shape, checkpoint, data.dataset.classNames.length),
  });
  own({ destroy: () => teacher.model.release() });
  const model = await loading;
  await weightsLoaded();
  return { model, teacher };
}

/** Classes where a data set names none. */
const SOME_CLASSES = 100;

function compileAhead(
  { gpu }: Job,
  settings: Settings,
  teacher: TeacherShape,
  { config }: ClipCheckpoint,
  classes: number,
): void {
  const sizes = { classes: classes || SOME_CLASSES, capabilities: gpu.capabilities };
  pipelinesAhead(gpu, [
    ...(settings.classVectors === undefined ? [() => classEmbeddingRequest(teacher, settings, sizes)] : []),
    () => studentRequests(teacher, config, settings, sizes).train,
  ]);
}

/** Different crops that a run looks at, at most. */
export function cropCount(
  { batchesPerEpoch }: Loader,
  items: readonly ImageItem[],
  { batch, epochs, views }: Pick<StudentSettings, 'batch' | 'epochs' | 'views'>,
): number {
  const seen = batchesPerEpoch * batch * epochs;
  return views > 0 ? Math.min(seen, items.length * views) : seen;
}

/** The file of the student as it is now. */
async function encodedStudent(
  { job, settings, checkpoint }: Build,
  { prompts, projection, weights = [] }: StudentVariables,
  classes: ClassVectors,
): Promise<Uint8Array> {
  const { config } = checkpoint;
  const values = (leaves: readonly Tensor[]) => Promise.all(leaves.map((leaf) => readLeaf(job.gpu, leaf)));
  const head = await values(Object.values(projection));
  const tower = await values(weights);
  return encodeStudent({
    prompts: await values(prompts),
    projection: Object.fromEntries(Object.keys(projection).map((name, i) => [name, head[i]!])),
    weights: weights.map(({ label, shape }, i) => ({ name: label, shape, data: tower[i]! })),
    width: config.vision.width,
    inputs: config.embed,
    outputs: classes.embed,
    clip: settings.clip,
    clipHash: await checkpoint.sha256(),
  });
}
