/** Stage 2 as a job: a tuned teacher, a small CLIP and unlabelled images in, a run folder with the student out. */
import { UserError } from '../../engine/errors.js';
import { kernelWork } from '../../engine/kernelChecks.js';
import { leafBuffer, readLeaf } from '../../engine/memory.js';
import { cosineRate } from '../../engine/optim.js';
import type { Tensor } from '../../engine/tensor.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { noteOfficial } from '../checkpoints/official.js';
import { GpuPreprocessor } from '../clip/gpuPreprocess.js';
import { loadModel } from '../clip/model.js';
import { type Dataset, type ImageItem, loadDataset } from '../datasets/dataset.js';
import { sampleFewShot } from '../datasets/fewShot.js';
import { Loader } from '../datasets/loader.js';
import type { Job } from '../job.js';
import { Random } from '../random.js';
import { RunFolder } from '../runs/runFolder.js';
import { train } from '../runs/train.js';
import { stateOf } from '../runs/trainingState.js';
import { BestEpoch, decidingImages } from './bestEpoch.js';
import { pickClasses } from './classifier.js';
import { encodeClassVectors } from './classVectors.js';
import { checkEmbeddings, PAPER_BATCH, resolveStudent, schedule } from './defaults.js';
import { loadTeacher } from './loadTeacher.js';
import { studentPipelinesAhead } from './pipelinesAhead.js';
import { initialProjection, layersOf, projectionStatistics, projectionVariables } from './projection.js';
import { checkPromptShape, initialPrompts, promptVariables } from './prompts.js';
import type { StudentSettings } from './settings.js';
import { classTensor, StudentStep, type StudentVariables, studentLogits } from './student.js';
import { studentClasses, teacherClasses } from './studentClasses.js';
import { CLASS_VECTORS_FILE, encodeStudent, STUDENT_FILE } from './studentFile.js';
import { openTeacherSupply } from './teacherSupply.js';

/** Distils the student; returns the path of the file that holds it. */
export async function runStudent(
  surroundings: Job,
  given: StudentSettings,
  out: string,
  { resume = false } = {},
): Promise<string> {
  const { precision } = given;
  const job: Job = { ...surroundings, precision };
  const { gpu, platform } = job;
  const checkpoint = await loadCheckpoint(platform, given.clip);
  // Awaited behind the weights: a hash of gigabytes takes as long as uploading them.
  const noted = noteOfficial(job, checkpoint);
  noted.catch(() => undefined);
  const data = await loadDataset(platform, given.data, { dataset: given.dataset });
  const settings = resolveStudent(given, checkpoint.config);
  const items = distillationImages(data, settings);
  const deciding = decidingImages(data, given);
  const shape = { ...settings, textDepth: 0, textLength: 0 };
  checkPromptShape(shape, checkpoint.config);
  const loader = new Loader(platform, items, {
    batch: settings.batch,
    seed: settings.seed,
    size: checkpoint.config.vision.resolution,
    augment: true,
    cropScale: settings.cropScale,
    cropSeed: settings.cropSeed,
    multiple: settings.accumulate,
    ...(settings.views > 0 && { views: settings.views }),
  });
  const folder = await RunFolder.open(platform, out, 'student', settings, resume);
  const tuned = settings.train === 'all';
  const { config } = checkpoint;
  // Both at once, as each waits for its files; before any kernel is tuned, which uploads would disturb.
  const loading = loadModel(gpu, checkpoint, { text: false, trainable: tuned, precision });
  loading.catch(() => undefined);
  const teacher = await loadTeacher(job, settings.teacher, settings.teacherClip, {
    vision: !settings.teacherCache,
    text: settings.classVectors === undefined,
    onConfig: (known) => studentPipelinesAhead(job, known, config, settings, data.classNames.length),
  }).catch((error) => {
    loading.then(
      (loaded) => loaded.release(),
      () => undefined,
    );
    throw error;
  });
  const model = await loading;
  await noted;
  job.mark?.('weights');
  const shared = await teacherClasses(job, settings, data, teacher);
  teacher.model.releaseText();
  const own =
    settings.textFeatures === 'student'
      ? await studentClasses(job, settings, checkpoint, shared.classNames)
      : undefined;
  const classes = own ?? shared;
  checkEmbeddings(settings, config.embed, classes.embed);

  const random = Random.of(settings.seed, 'student');
  const variables: StudentVariables = {
    prompts: promptVariables(initialPrompts(shape, config, random), config).vision,
    projection: projectionVariables(
      initialProjection(config.embed, classes.embed, random, settings.projectionLayers),
      config.embed,
      classes.embed,
    ),
    weights: tuned ? model.weights.all() : [],
  };
  const supply = await openTeacherSupply(job, teacher, items, {
    ...settings,
    size: config.vision.resolution,
    crops: cropCount(loader, items, settings),
  });
  const images = loader.with(supply.needs);
  // Decoded while kernels are compiled.
  if (!resume) images.start(1);
  const compiling = job.begin('compiling stage 2', 1);
  const step = await StudentStep.create(
    gpu,
    model,
    variables,
    classes,
    { ...supply.source, ...(own && { classes: classTensor(shared) }) },
    { ...settings, weight: settings.kdWeight },
    { onProgress: (done, total) => compiling.update(done / total) },
  );
  const preprocessor = await GpuPreprocessor.create(gpu, {
    size: config.vision.resolution,
    batch: settings.batch,
  });
  compiling.end();
  job.mark?.('compiled', { dispatches: step.plan.describe().dispatches, ...kernelWork(gpu) });

  const { prompts, projection, weights = [] } = variables;
  const statistics = projectionStatistics(layersOf(projection)).map((name) => projection[name]!);
  let best: BestEpoch | undefined;
  if (deciding) {
    const matrix = classTensor(pickClasses(classes, data.classNames, 'the class vectors'));
    const trained = [...step.graph.parameters, ...statistics];
    best = await BestEpoch.create(gpu, deciding, config.vision.resolution, trained, (images) =>
      studentLogits(model, variables, matrix, images),
    );
  }
  const rates = schedule(settings, PAPER_BATCH);
  await train(job, folder, {
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
    losses: async () => (await step.readLosses()).losses,
    prepare: supply.prepare,
    endEpoch: async (epoch, note) => {
      await supply.endEpoch?.();
      if (best) folder.log(await best.consider(job, epoch, note));
    },
    state: stateOf(step.graph.parameters, step.graph.optimiser.state, statistics, best?.state ?? []),
  });
  await supply.end();
  await best?.restore(job);

  const values = (leaves: readonly Tensor[]) => Promise.all(leaves.map((leaf) => readLeaf(gpu, leaf)));
  const head = await values(Object.values(projection));
  const tower = await values(weights);
  await folder.write(CLASS_VECTORS_FILE, encodeClassVectors(classes));
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
  await folder.report('Stage 2: the student', gpu.adapter.name);
  step.destroy();
  preprocessor.destroy();
  best?.destroy();
  model.release();
  teacher.model.release();
  return folder.join(STUDENT_FILE);
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
