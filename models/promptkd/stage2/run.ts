/** Stage 2 as a job: a tuned teacher, a small CLIP and unlabelled images in, a run folder with the student out. */
import { UserError } from '../../../engine/errors.js';
import { kernelWork } from '../../../engine/gpu/kernelChecks.js';
import { leafBuffer, readLeaf } from '../../../engine/gpu/memory.js';
import type { Tensor } from '../../../engine/graph/tensor.js';
import { cosineRate } from '../../../engine/train/optim.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../checkpoints/load.js';
import { noteOfficial } from '../../checkpoints/official.js';
import { loadModel } from '../../clip/model.js';
import { checkImages } from '../../datasets/checkImages.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
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
import { encodeClassVectors } from '../classVectors/classVectors.js';
import { studentClasses, teacherClasses } from '../classVectors/runClasses.js';
import { loadTeacher } from '../files/loadTeacher.js';
import { CLASS_VECTORS_FILE, encodeStudent, STUDENT_FILE } from '../files/studentFile.js';
import { checkEmbeddings, PAPER_BATCH, resolveStudent, schedule } from '../shared/defaults.js';
import { withFittingBatch } from '../shared/fittingBatch.js';
import { studentPipelinesAhead, studentShape } from '../shared/pipelinesAhead.js';
import {
  initialProjection,
  layersOf,
  projectionStatistics,
  projectionVariables,
} from '../shared/projection.js';
import { checkPromptShape, initialPrompts, promptVariables } from '../shared/prompts.js';
import type { StudentSettings } from '../shared/settings.js';
import { studentRequests } from '../shared/shapes.js';
import { trainingLoader } from '../shared/trainingLoader.js';
import { pickClasses } from '../use/classifier.js';
import { BestEpoch, type DecidingImages, decidingImages } from './bestEpoch.js';
import { classTensor, StudentStep, type StudentVariables, studentLogits } from './step.js';
import { openTeacherSupply } from './teacherFeatures.js';

/**
 * Distils the student; returns the path of the file that holds it. A device that is lost on the way is opened again.
 *
 * @throws UserError when something of what is given is wrong or training diverges; Stopped when the user asks for it
 */
export async function runStudent(
  surroundings: Job,
  given: StudentSettings,
  out: string,
  { resume = false, ...options }: TrainRunOptions = {},
): Promise<string> {
  await survivingLoss(surroundings, (job, again) =>
    distill({ ...job, precision: given.precision }, given, out, { ...options, resume: resume || again }),
  );
  return surroundings.platform.join(out, STUDENT_FILE);
}

async function distill(
  job: Job,
  given: StudentSettings,
  out: string,
  options: TrainRunOptions,
): Promise<void> {
  const { platform } = job;
  const checkpoint = await loadCheckpoint(platform, given.clip);
  // Awaited behind the weights: a hash of gigabytes takes as long as uploading them.
  const noted = noteOfficial(job, checkpoint);
  noted.catch(() => undefined);
  const data = await loadDataset(platform, given.data, given);
  for (const note of data.notes ?? []) job.note(note);
  const settings = resolveStudent(given, checkpoint.config);
  const wanted = distillationImages(data, settings);
  const { items, skipped } = await checkImages(job, wanted, settings);
  const judges = decidingImages(data, given);
  const deciding = judges && {
    ...judges,
    ...(await checkImages(job, judges.items, { ...settings, skipped })),
  };
  checkPromptShape({ ...settings, textDepth: 0, textLength: 0 }, checkpoint.config);
  const loader = trainingLoader(platform, items, settings, checkpoint.config.vision.resolution, skipped);
  const inputs = await imageInputs(platform, data, wanted);
  const task = { job, settings, checkpoint, noted, data, inputs, items, skipped, deciding, loader };
  const { resume } = options;
  await withRunFolder(platform, out, 'student', settings, { resume, note: job.note }, (folder) =>
    freeing((own) => distillIn(folder, task, options, own)),
  );
}

/** What is known before the run's folder is opened. */
interface Task {
  readonly job: Job;
  readonly settings: ReturnType<typeof resolveStudent>;
  readonly checkpoint: ClipCheckpoint;
  readonly noted: Promise<unknown>;
  readonly data: Dataset;
  readonly inputs: Inputs;
  readonly items: readonly ImageItem[];
  readonly skipped: Skipped;
  readonly deciding?: DecidingImages;
  readonly loader: Loader;
}

async function distillIn(
  folder: RunFolder,
  { job, settings, checkpoint, noted, data, inputs, items, skipped, deciding, loader }: Task,
  { resume, ...options }: TrainRunOptions,
  own: Own,
): Promise<void> {
  const { gpu, precision } = job;
  const tuned = settings.train === 'all';
  const { config } = checkpoint;
  // Both at once, as each waits for its files; before any kernel is tuned, which uploads would disturb.
  const loading = loadModel(gpu, checkpoint, { text: false, trainable: tuned, precision });
  loading.catch(() => undefined);
  own({ destroy: () => void loading.then((loaded) => loaded.release()).catch(() => undefined) });
  const teacher = await loadTeacher(job, settings.teacher, settings.teacherClip, {
    vision: !settings.teacherCache,
    text: settings.classVectors === undefined,
    onConfig: (known) => studentPipelinesAhead(job, known, config, settings, data.classNames.length),
  });
  own({ destroy: () => teacher.model.release() });
  const model = await loading;
  await noted;
  job.mark?.('weights');
  const shared = await teacherClasses(job, settings, data, teacher);
  teacher.model.releaseText();
  const fromStudent =
    settings.textFeatures === 'student'
      ? await studentClasses(job, settings, checkpoint, shared.classNames)
      : undefined;
  const classes = fromStudent ?? shared;
  checkEmbeddings(settings, config.embed, classes.embed);

  const random = Random.of(settings.seed, 'student');
  const shape = { ...settings, textDepth: 0, textLength: 0 };
  const variables: StudentVariables = {
    prompts: promptVariables(initialPrompts(shape, config, random), config).vision,
    projection: projectionVariables(
      initialProjection(config.embed, classes.embed, random, settings.projectionLayers),
      config.embed,
      classes.embed,
    ),
    weights: tuned ? model.weights.all() : [],
  };
  const broken = await SkippedImages.open(job.platform, folder, skipped);
  const supply = await openTeacherSupply(job, teacher, items, {
    ...settings,
    skipped,
    size: config.vision.resolution,
    crops: cropCount(loader, items, settings),
  });
  own(supply);
  const images = loader.with(supply.needs);
  // Decoded while kernels are compiled.
  if (!resume) images.start(1);
  const compiling = job.begin('compiling stage 2', 1);
  const stepShape = studentShape(job, settings, classes.count);
  const step = own(
    await StudentStep.create(
      gpu,
      model,
      variables,
      classes,
      { ...supply.source, ...(fromStudent && { classes: classTensor(shared) }) },
      { ...settings, weight: settings.kdWeight },
      { onProgress: (done, total) => compiling.update(done / total) },
    ).catch((error) => {
      const withBatch = (batch: number) =>
        studentRequests(teacher.model.config, config, { ...stepShape, batch }).train;
      throw withFittingBatch(error, settings.batch, withBatch, gpu.capabilities);
    }),
  );
  const preprocessor = own(
    await GpuPreprocessor.create(gpu, { size: config.vision.resolution, batch: settings.batch }),
  );
  compiling.end();
  job.mark?.('compiled', { dispatches: step.plan.describe().dispatches, ...kernelWork(gpu) });

  const { prompts, projection, weights = [] } = variables;
  const statistics = projectionStatistics(layersOf(projection)).map((name) => projection[name]!);
  let best: BestEpoch | undefined;
  if (deciding) {
    const matrix = classTensor(pickClasses(classes, data.classNames, 'the class vectors'));
    const trained = [...step.graph.parameters, ...statistics];
    best = own(
      await BestEpoch.create(gpu, deciding, config.vision.resolution, trained, (images) =>
        studentLogits(model, variables, matrix, images),
      ),
    );
  }
  const rates = schedule(settings, PAPER_BATCH);
  await train(
    job,
    folder,
    {
      label: 'stage 2: distilling the student',
      epochs: settings.epochs,
      loader: images,
      accumulate: settings.accumulate,
      batch: settings.batch,
      flops: step.plan.describe().flops,
      rate: (epoch) => cosineRate(rates, epoch),
      step: (batch, epoch, rate) => {
        preprocessor.submit(batch.images, leafBuffer(gpu, step.graph.images));
        supply.fill(step, batch, epoch);
        step.run(rate);
      },
      losses: () => step.readLosses(),
      prepare: supply.prepare,
      endEpoch: async (epoch, note) => {
        if (best) folder.log(await best.consider(job, epoch, note));
      },
      flush: async () => {
        await supply.flush?.();
        await broken.flush();
      },
      state: stateOf(step.graph.parameters, step.graph.optimiser.state, statistics, best?.state ?? []),
      inputs: {
        CLIP: await checkpoint.sha256(),
        teacher: teacher.hash ?? teacher.clipHash,
        ...inputs,
        ...(settings.classVectors && { 'class vectors': await job.platform.sha256(settings.classVectors) }),
      },
    },
    options,
  );
  supply.summary?.();
  await best?.restore(job);

  const values = (leaves: readonly Tensor[]) => Promise.all(leaves.map((leaf) => readLeaf(gpu, leaf)));
  const head = await values(Object.values(projection));
  const tower = await values(weights);
  await broken.flush();
  await folder.report('Stage 2: the student', gpu.adapter.name);
  await folder.write(CLASS_VECTORS_FILE, encodeClassVectors(classes));
  // Last: where it is, the run is finished.
  await folder.write(
    STUDENT_FILE,
    encodeStudent({
      prompts: await values(prompts),
      projection: Object.fromEntries(Object.keys(projection).map((name, i) => [name, head[i]!])),
      weights: weights.map((leaf, i) => ({ name: leaf.label, shape: leaf.shape, data: tower[i]! })),
      width: config.vision.width,
      inputs: config.embed,
      outputs: classes.embed,
      clip: settings.clip,
      clipHash: await checkpoint.sha256(),
    }),
  );
  const summary = broken.summary();
  if (summary) job.note(summary);
}

/** Different crops that a run looks at. */
function cropCount(
  { batchesPerEpoch }: Loader,
  items: readonly ImageItem[],
  { batch, epochs, views }: Pick<StudentSettings, 'batch' | 'epochs' | 'views'>,
): number {
  const seen = batchesPerEpoch * batch * epochs;
  return views > 0 ? Math.min(seen, items.length * views) : seen;
}

/** All training images, or some of each class: those that the reference draws as its few shots for the seed. */
export function distillationImages(
  { name, unlabelled, train: labelled }: Dataset,
  { imagesPerClass, seed }: Pick<StudentSettings, 'imagesPerClass' | 'seed'>,
): readonly ImageItem[] {
  if (imagesPerClass === 0) return unlabelled ?? labelled;
  if (unlabelled)
    throw new UserError(
      `the images of ${name} have no labels, so ${imagesPerClass} of each class cannot be drawn`,
      'leave imagesPerClass out and give fewer images, or sort them into class folders',
    );
  return sampleFewShot({ train: labelled }, imagesPerClass, seed).train;
}
