/** A trained run, or plain CLIP, as something that classifies image files. */
import { UserError } from '../../engine/errors.js';
import type { Tensor } from '../../engine/tensor.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { ImageRunner } from '../clip/imageRunner.js';
import { loadModel } from '../clip/model.js';
import type { Dataset, ImageItem } from '../datasets/dataset.js';
import type { Job } from '../job.js';
import { readRunConfig, runKind } from '../runs/runFolder.js';
import { type ClassVectors, readClassVectors } from './classVectors.js';
import { type Accuracy, accuracy } from './evaluate.js';
import { loadPlainClip, loadTeacher, makeClassVectors, type Teacher } from './loadTeacher.js';
import { projectionVariables } from './projection.js';
import { promptVariables } from './prompts.js';
import { classTensor, clipLogits, studentLogits } from './student.js';
import { CLASS_VECTORS_FILE, readStudent } from './studentFile.js';

/** Images of one run of the graph. */
const BATCH = 16;

export class Classifier {
  private constructor(
    /** In the order of the logits. */
    readonly classNames: readonly string[],
    private readonly runner: ImageRunner,
    private readonly release: () => void,
  ) {}

  /** Plain CLIP, zero-shot, over the given class names. */
  static async plain(
    job: Job,
    clip: string,
    classNames: readonly string[],
    options: { tokenizer?: string; template?: string } = {},
  ): Promise<Classifier> {
    return Classifier.fromTeacher(job, await loadPlainClip(job, clip, options), classNames);
  }

  private static async fromTeacher(
    job: Job,
    teacher: Teacher,
    classNames: readonly string[],
  ): Promise<Classifier> {
    const classes = await makeClassVectors(job, teacher, classNames);
    const { model, prompts } = teacher;
    const matrix = classTensor(classes);
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, BATCH, (images) =>
      clipLogits(model, prompts.vision, matrix, images),
    );
    return new Classifier(classNames, runner, model.release);
  }

  /**
   * The teacher or student of a run folder.
   *
   * @param classNames classes to choose from: a teacher takes any; a student those of its class vectors
   * @param vectors file of class vectors to use instead of the student's own
   */
  static async ofRun(
    job: Job,
    run: string,
    classNames?: readonly string[],
    vectors?: string,
  ): Promise<Classifier> {
    const kind = await runKind(job.platform, run);
    if (kind === 'teacher') {
      const teacher = await loadTeacher(job, run);
      if (!classNames)
        throw new UserError(
          `${run} is a teacher and needs class names`,
          'give a data set or a list of class names',
        );
      return Classifier.fromTeacher(job, teacher, classNames);
    }
    const config = await readRunConfig(job.platform, run, 'student');
    const stored = await readStudent(job.platform, run);
    const file = vectors ?? job.platform.join(run, CLASS_VECTORS_FILE);
    const classes = pickClasses(await readClassVectors(job.platform, file), classNames, file);
    if (classes.embed !== stored.outputs)
      throw new UserError(
        `the vectors in ${file} have length ${classes.embed}, and the features of ${run} have ${stored.outputs}`,
        'make them with the model that made those of the run: promptkd class-vectors',
      );
    const checkpoint = await loadCheckpoint(job.platform, String(config.clip));
    if ((await checkpoint.sha256()) !== stored.clipHash)
      throw new UserError(
        `${checkpoint.path} is not the checkpoint that ${run} was distilled on: its SHA-256 differs`,
        'restore that checkpoint',
      );
    const model = await loadModel(job.gpu, checkpoint, { text: false, replaced: stored.weights });
    const variables = {
      prompts: promptVariables({ text: [], vision: stored.prompts }, model.config).vision,
      projection: projectionVariables(stored.projection, stored.inputs, stored.outputs),
    };
    const matrix = classTensor(classes);
    const build = (images: Tensor) => studentLogits(model, variables, matrix, images);
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, BATCH, build);
    return new Classifier(classes.classNames, runner, model.release);
  }

  /** Logits of every item, `[items, classes]`. */
  logits(job: Job, items: readonly ImageItem[], label: string): Promise<Float32Array> {
    return this.runner.runAll(job, items, label);
  }

  /** Accuracy on the test images of a data set whose classes are this classifier's, in order. */
  async evaluate(job: Job, data: Dataset, label: string): Promise<Accuracy> {
    if (data.test.length === 0)
      throw new UserError(`${data.name} has no test images`, 'add test/<class>/ folders to the data set');
    const logits = await this.logits(job, data.test, label);
    return accuracy(
      logits,
      data.test.map((item) => item.label),
      this.classNames.length,
    );
  }

  destroy(): void {
    this.runner.destroy();
    this.release();
  }
}

/** The rows of the wanted classes, in their order. */
function pickClasses(
  vectors: ClassVectors,
  wanted: readonly string[] | undefined,
  file: string,
): ClassVectors {
  if (!wanted) return vectors;
  const rows = wanted.map((name) => {
    const row = vectors.classNames.indexOf(name);
    if (row < 0)
      throw new UserError(
        `${file} has no vector for the class "${name}"`,
        'make class vectors for these classes with: promptkd class-vectors',
      );
    return vectors.vectors.subarray(row * vectors.embed, (row + 1) * vectors.embed);
  });
  const picked = new Float32Array(rows.length * vectors.embed);
  rows.forEach((row, i) => {
    picked.set(row, i * vectors.embed);
  });
  return { ...vectors, vectors: picked, count: wanted.length, classNames: wanted };
}
