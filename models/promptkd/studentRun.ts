/** Stage 2 as a job: a tuned teacher, a small CLIP and unlabelled images in, a run folder with the student out. */
import { UserError } from '../../engine/errors.js';
import { leafBuffer, readLeaf, write } from '../../engine/memory.js';
import { cosineRate } from '../../engine/optim.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { GpuPreprocessor } from '../clip/gpuPreprocess.js';
import { type ClipModel, loadModel } from '../clip/model.js';
import { boxCrop } from '../clip/preprocess.js';
import { type Dataset, type ImageItem, loadDataset } from '../datasets/dataset.js';
import { Loader } from '../datasets/loader.js';
import type { Job } from '../job.js';
import { Random } from '../random.js';
import { RunFolder } from '../runs/runFolder.js';
import { train } from '../runs/train.js';
import { stateOf } from '../runs/trainingState.js';
import { BestEpoch, decidingImages } from './bestEpoch.js';
import { pickClasses } from './classifier.js';
import { type ClassVectors, encodeClassVectors, readClassVectors } from './classVectors.js';
import { loadTeacher, makeClassVectors, type Teacher } from './loadTeacher.js';
import { initialProjection, type ProjectionValues, projectionVariables } from './projection.js';
import { checkPromptShape, initialPrompts, promptVariables } from './prompts.js';
import type { StudentSettings } from './settings.js';
import { classTensor, StudentStep, type StudentVariables, studentLogits } from './student.js';
import { CLASS_VECTORS_FILE, encodeStudent, STUDENT_FILE } from './studentFile.js';
import { DEFAULT_DEPTH, schedule } from './teacherRun.js';
import { ViewFeatures } from './viewFeatures.js';

/** Distils the student; returns the path of the file that holds it. */
export async function runStudent(
  job: Job,
  given: StudentSettings,
  out: string,
  { resume = false } = {},
): Promise<string> {
  const { gpu, platform } = job;
  const checkpoint = await loadCheckpoint(platform, given.clip);
  const data = await loadDataset(platform, given.data, { dataset: given.dataset });
  const items = data.unlabelled ?? data.train;
  if (given.batch < 2)
    throw new UserError('a batch of 1 has no batch statistics', 'set the batch size to 2 or more');
  const deciding = decidingImages(data, given);
  const settings = {
    ...given,
    visionDepth: given.visionDepth ?? Math.min(DEFAULT_DEPTH, checkpoint.config.vision.layers),
  };
  const shape = { ...settings, textDepth: 0, textLength: 0 };
  checkPromptShape(shape, checkpoint.config);
  const loader = new Loader(platform, items, {
    batch: settings.batch,
    seed: settings.seed,
    size: checkpoint.config.vision.resolution,
    augment: true,
    cropScale: settings.cropScale,
    ...(settings.views > 0 && { views: settings.views }),
  });
  const folder = await RunFolder.open(platform, out, 'student', settings, resume);
  const teacher = await loadTeacher(job, settings.teacher, settings.teacherClip);
  const classes = await classVectorsFor(job, settings, data, teacher);
  const model = await loadModel(gpu, checkpoint, { text: false });
  const { config } = model;

  const random = Random.of(settings.seed, 'student');
  const variables: StudentVariables = {
    prompts: promptVariables(initialPrompts(shape, config, random), config).vision,
    projection: projectionVariables(
      initialProjection(config.embed, classes.embed, random),
      config.embed,
      classes.embed,
    ),
  };
  const supply = await TeacherSupply.create(job, teacher, items, settings);
  const compiling = job.begin('compiling stage 2', 1);
  const step = await StudentStep.create(
    gpu,
    model,
    variables,
    classes,
    supply.source,
    { ...settings, weight: settings.kdWeight },
    { onProgress: (done, total) => compiling.update(done / total) },
  );
  const preprocessor = await GpuPreprocessor.create(gpu, {
    size: config.vision.resolution,
    batch: settings.batch,
  });
  compiling.end();

  const { projection } = variables;
  const statistics = [projection['bn.mean'], projection['bn.var']];
  let best: BestEpoch | undefined;
  if (deciding) {
    const matrix = classTensor(pickClasses(classes, data.classNames, 'the class vectors'));
    const trained = [...step.graph.parameters, ...statistics];
    best = await BestEpoch.create(gpu, deciding, config.vision.resolution, trained, (images) =>
      studentLogits(model, variables, matrix, images),
    );
  }
  await train(job, folder, {
    label: 'stage 2: distilling the student',
    epochs: settings.epochs,
    loader,
    rate: (epoch) => cosineRate(schedule(settings), epoch),
    step: (batch, epoch, rate) => {
      preprocessor.submit(batch.images, leafBuffer(gpu, step.graph.images));
      supply.fill(step, batch, epoch);
      step.run(rate);
    },
    losses: async () => ({ loss: await step.readLoss() }),
    ...(best && {
      endEpoch: async (epoch: number, note: (text: string) => void) =>
        folder.log(await best.consider(job, epoch, note)),
    }),
    state: stateOf(step.graph.parameters, step.graph.optimiser.state, statistics, best?.state ?? []),
  });
  await best?.restore(job);

  await folder.write(CLASS_VECTORS_FILE, encodeClassVectors(classes));
  await folder.write(
    STUDENT_FILE,
    encodeStudent({
      prompts: await Promise.all(variables.prompts.map((prompt) => readLeaf(gpu, prompt))),
      projection: await readProjection(job, variables),
      width: config.vision.width,
      inputs: config.embed,
      outputs: classes.embed,
      clip: settings.clip,
      clipHash: await checkpoint.sha256(),
    }),
  );
  step.plan.destroy();
  preprocessor.destroy();
  supply.destroy();
  best?.destroy();
  model.release();
  teacher.model.release();
  return folder.join(STUDENT_FILE);
}

async function readProjection(job: Job, { projection }: StudentVariables): Promise<ProjectionValues> {
  const names = Object.keys(projection) as (keyof ProjectionValues)[];
  const values = await Promise.all(names.map((name) => readLeaf(job.gpu, projection[name])));
  return Object.fromEntries(names.map((name, i) => [name, values[i]])) as unknown as ProjectionValues;
}

/** The stored class vectors that the settings name, or new ones for the classes of the data set. */
async function classVectorsFor(
  job: Job,
  settings: StudentSettings,
  data: Dataset,
  teacher: Teacher,
): Promise<ClassVectors> {
  if (settings.classVectors === undefined) {
    if (data.classNames.length === 0)
      throw new UserError(
        `${settings.data} has no class names, so there is nothing to classify into`,
        'make class vectors for your class names (promptkd class-vectors) and give them with --class-vectors',
      );
    return makeClassVectors(job, teacher, data.classNames);
  }
  const vectors = await readClassVectors(job.platform, settings.classVectors);
  if (vectors.clipHash !== teacher.clipHash || vectors.teacherHash !== teacher.hash)
    throw new UserError(
      `${settings.classVectors} was made by another teacher than ${settings.teacher}`,
      'make it again with: promptkd class-vectors',
    );
  return vectors;
}

/** Feeds the step with the teacher's view of each batch: its images, or features kept from an earlier pass. */
class TeacherSupply {
  private constructor(
    private readonly job: Job,
    private readonly model: ClipModel,
    private readonly prompts: Teacher['prompts']['vision'],
    private readonly views: ViewFeatures | undefined,
    private readonly preprocessor: GpuPreprocessor | undefined,
  ) {}

  static async create(
    job: Job,
    teacher: Teacher,
    items: readonly ImageItem[],
    settings: StudentSettings,
  ): Promise<TeacherSupply> {
    const { model } = teacher;
    const prompts = teacher.prompts.vision;
    if (settings.views === 0) {
      const size = model.config.vision.resolution;
      const preprocessor = await GpuPreprocessor.create(job.gpu, { size, batch: settings.batch });
      return new TeacherSupply(job, model, prompts, undefined, preprocessor);
    }
    const views = await ViewFeatures.compute(job, model, prompts, items, {
      ...settings,
      batch: 16,
      label: "the teacher's image features",
    });
    return new TeacherSupply(job, model, prompts, views, undefined);
  }

  get source() {
    return this.views ? { logitScale: this.model.logitScale } : { model: this.model, prompts: this.prompts };
  }

  fill(
    step: StudentStep,
    batch: { images: Parameters<GpuPreprocessor['submit']>[0]; indices: readonly number[] },
    epoch: number,
  ): void {
    const { gpu } = this.job;
    if (this.views) write(gpu, step.graph.teacherInput, this.views.batch(epoch, batch.indices));
    else if (step.graph.teacherInput !== step.graph.images) {
      // The same boxes at the teacher's own resolution.
      const size = this.model.config.vision.resolution;
      const images = batch.images.map(({ image, crop }) => ({ image, crop: boxCrop(crop, size) }));
      this.preprocessor!.submit(images, leafBuffer(gpu, step.graph.teacherInput));
    }
  }

  destroy(): void {
    this.preprocessor?.destroy();
  }
}
