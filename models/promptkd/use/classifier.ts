/** A trained run, an exported one, or plain CLIP, as something that classifies image files. */
import { type Tensor, UserError } from '../../../engine/index.js';
import type { ClipModel } from '../../clip/model.js';
import type { Dataset, ImageItem } from '../../datasets/dataset.js';
import { type ImageRows, ImageRunner } from '../../datasets/imageRunner.js';
import type { Skipped } from '../../datasets/skipped.js';
import type { Job } from '../../job.js';
import { type ClassVectors, pickClasses } from '../classVectors/classVectors.js';
import { makeClassVectors } from '../classVectors/makeClassVectors.js';
import { loadPlainClip } from '../files/loadPlainClip.js';
import { loadStudent } from '../files/loadStudent.js';
import { loadTeacher } from '../files/loadTeacher.js';
import { modelKind } from '../files/modelFile.js';
import { type Accuracy, accuracy } from '../shared/evaluate.js';
import { classTensor, clipLogits, studentLogits } from '../shared/logits.js';
import type { Teacher } from '../shared/teacher.js';
import { type Outcome, outcomesOf } from './outcomes.js';

/** Images of one run of the graph. */
const BATCH = 16;

/** What a run may need beside its folder. */
export interface RunOptions {
  /** File of class vectors to use instead of the student's own; checkpoints of the authors' code have none. */
  readonly classVectors?: string;
  /** The CLIP whose token embeddings and tokenizer a teacher checkpoint takes. */
  readonly teacherClip?: string;
}

/** Classifies image files into its classes. */
export class Classifier {
  private constructor(
    /** What images are compared with, a row a class. */
    readonly classes: ClassVectors,
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
    return Classifier.create(job, model, classes, (images, embeddings) =>
      clipLogits(model, prompts.vision, embeddings, images),
    );
  }

  private static async create(
    job: Job,
    model: ClipModel,
    classes: ClassVectors,
    logits: (images: Tensor, embeddings: Tensor) => Tensor,
  ): Promise<Classifier> {
    const embeddings = classTensor(classes);
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, BATCH, (images) =>
      logits(images, embeddings),
    );
    return new Classifier(classes, runner, model.release);
  }

  /**
   * The teacher or student of a run folder, an exported file, or a checkpoint of the authors' code.
   *
   * @param classNames classes to choose from: a teacher takes any; a student those of its class vectors
   * @throws UserError when it cannot be read, a teacher gets no class names, or a student has no vectors for one
   */
  static async ofRun(
    job: Job,
    run: string,
    classNames?: readonly string[],
    { classVectors, teacherClip }: RunOptions = {},
  ): Promise<Classifier> {
    if ((await modelKind(job.platform, run)) === 'teacher') {
      if (!classNames)
        throw new UserError(
          `${run} is a teacher and needs class names`,
          'give a data set or a list of class names',
        );
      return Classifier.fromTeacher(job, await loadTeacher(job, run, teacherClip), classNames);
    }
    const { model, variables, classes: all } = await loadStudent(job, run, classVectors);
    const classes = pickClasses(all, classNames, classVectors ?? run);
    return Classifier.create(job, model, classes, (images, embeddings) =>
      studentLogits(model, variables, embeddings, images),
    );
  }

  /** In the order of the logits. */
  get classNames(): readonly string[] {
    return this.classes.classNames;
  }

  /**
   * Logits of every item, `[items, classes]`.
   *
   * @param skipped bears with broken images; without it the first one is an error
   */
  logits(job: Job, items: readonly ImageItem[], label: string, skipped?: Skipped): Promise<ImageRows> {
    return this.runner.runAll(job, items, label, skipped);
  }

  /** Accuracy on the test images of a data set whose classes are this classifier's, in order; on those that can be read. */
  async evaluate(
    job: Job,
    data: Pick<Dataset, 'name' | 'test'>,
    label: string,
    skipped?: Skipped,
  ): Promise<Accuracy> {
    return (await this.examine(job, data, label, skipped)).accuracy;
  }

  /**
   * The same, with the answer for each image.
   *
   * @throws UserError when there are no test images
   */
  async examine(
    job: Job,
    data: Pick<Dataset, 'name' | 'test'>,
    label: string,
    skipped?: Skipped,
  ): Promise<{ readonly accuracy: Accuracy; readonly outcomes: readonly Outcome[] }> {
    if (data.test.length === 0)
      throw new UserError(`${data.name} has no test images`, 'add test/<class>/ folders to the data set');
    const { rows, missing } = await this.logits(job, data.test, label, skipped);
    const labels = data.test.map((item) => item.label);
    const classes = this.classNames.length;
    return {
      accuracy: accuracy(rows, labels, classes, missing),
      outcomes: outcomesOf(rows, labels, classes, missing),
    };
  }

  /** Frees the plan and the weights. */
  destroy(): void {
    this.runner.destroy({ leaves: true });
    this.release();
  }
}
