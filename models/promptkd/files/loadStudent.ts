/** A student ready to use, of a run folder, an exported file or a checkpoint of the authors' code. */
import { UserError } from '../../../engine/index.js';
import type { StoredTensor } from '../../../formats/tensors.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import { noteNames } from '../../checkpoints/official.js';
import { type ClipModel, loadModel } from '../../clip/model.js';
import type { Job } from '../../job.js';
import type { Platform } from '../../platform.js';
import { type ClassVectors, readClassVectors } from '../classVectors/classVectors.js';
import type { StudentVariables } from '../shared/logits.js';
import { projectionVariables } from '../shared/projection.js';
import { promptVariables, requireFitting } from '../shared/prompts.js';
import { openFrozenClip } from './learnedFile.js';
import { openModel } from './modelFile.js';
import { CLASS_VECTORS_FILE, readStudent } from './studentFile.js';

/** A student on the device, with the classes that it knows. */
export interface Student {
  readonly model: ClipModel;
  readonly variables: StudentVariables;
  readonly classes: ClassVectors;
}

/**
 * Uploads a student's image encoder, prompts and projection.
 *
 * @param path run folder, exported file, or PyTorch checkpoint
 * @param vectors file of class vectors to use instead of the student's own; PyTorch checkpoints have none
 * @throws UserError when something is missing, damaged, or does not belong together
 */
export async function loadStudent(job: Job, path: string, vectors?: string): Promise<Student> {
  const { platform } = job;
  const { checkpoint, stored, vectors: own } = await open(platform, path);
  noteNames(job, checkpoint);
  const file = vectors ?? own;
  if (file === undefined)
    throw new UserError(
      `${path} has no class vectors: the authors' students are saved without them`,
      'make them of its teacher (promptkd class-vectors) and give them with --class-vectors FILE',
    );
  requireFitting(path, { text: [], vision: stored.prompts }, checkpoint.config);
  const classes = await readClassVectors(platform, file);
  if (classes.embed !== stored.outputs)
    throw new UserError(
      `the class vectors in ${file} have ${classes.embed} numbers, the projection of ${path} gives ${stored.outputs}`,
      'give the class vectors of the teacher that it was distilled from',
    );
  const model = await loadModel(job.gpu, checkpoint, {
    text: false,
    replaced: stored.weights,
    precision: job.precision,
  });
  return {
    model,
    classes,
    variables: {
      prompts: promptVariables({ text: [], vision: stored.prompts }, model.config).vision,
      projection: projectionVariables(stored.projection, stored.inputs, stored.outputs),
    },
  };
}

/** A student's values on the host, the checkpoint of its image encoder, and the file of its own class vectors if it has one. */
async function open(platform: Platform, path: string) {
  const model = await openModel(platform, path, 'student');
  if (model.from === 'checkpoint') {
    const { checkpoint } = model;
    // Only files of ours say what their class vectors are called.
    const vectors = checkpoint.metadata.class_names ? path : undefined;
    return { checkpoint, stored: await storedIn(checkpoint), vectors };
  }
  const stored = await readStudent(platform, path);
  const checkpoint = await openFrozenClip(platform, model.clip, stored.clipHash, path);
  const vectors = model.from === 'run' ? platform.join(path, CLASS_VECTORS_FILE) : path;
  return { checkpoint, stored, vectors };
}

/** Prompts and projection of a trainer checkpoint, under our names. */
async function storedIn({ path, config, prompts, projection }: ClipCheckpoint) {
  const head = [...(projection ?? [])];
  const widths = head.filter(([name]) => /^fc\d+\.weight$/.test(name)).map(([, { shape }]) => shape[0]!);
  const [outputs = config.embed] = widths;
  // Whether its layers fit each other is known since the file was opened.
  if (widths.some((width) => width !== outputs))
    throw new UserError(
      `${path}: its projection VPT_image_trans is not of Linear layers of one width with BatchNorm and ReLU between them`,
      'give a student with that projection',
    );
  const values: Record<string, Float32Array> = {};
  for (const [name, tensor] of head) values[name.replace('.running_', '.')] = await tensor.read();
  return {
    prompts: await Promise.all((prompts?.vision ?? []).map((prompt) => prompt.read())),
    projection: values,
    weights: new Map<string, StoredTensor>(),
    inputs: config.embed,
    outputs,
  };
}
