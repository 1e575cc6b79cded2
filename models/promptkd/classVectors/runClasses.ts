/** Whose text features a student's images are compared with in stage 2. */
import { UserError } from '../../../engine/index.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import { loadModel } from '../../clip/model.js';
import { PLAIN_TEMPLATE } from '../../clip/templates.js';
import type { Dataset } from '../../datasets/dataset.js';
import type { Job } from '../../job.js';
import type { StudentSettings } from '../shared/settings.js';
import type { Teacher } from '../shared/teacher.js';
import { type ClassVectors, readClassVectors } from './classVectors.js';
import { makeClassVectors } from './makeClassVectors.js';

/**
 * The teacher's class vectors: the stored ones that the settings name, or new ones for the classes of the data set.
 *
 * @throws UserError when the data set has no class names, or another teacher made the stored ones
 */
export async function teacherClasses(
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

/** The student's own frozen text features of those classes. */
export async function studentClasses(
  job: Job,
  settings: StudentSettings,
  checkpoint: ClipCheckpoint,
  classNames: readonly string[],
): Promise<ClassVectors> {
  const model = await loadModel(job.gpu, checkpoint, { vision: false, precision: job.precision });
  const { clip, tokenizer, template = PLAIN_TEMPLATE } = settings;
  const clipHash = await checkpoint.sha256();
  const plain = { model, prompts: { text: [], vision: [] }, template, clip, tokenizer, clipHash };
  const vectors = await makeClassVectors(job, plain, classNames);
  model.release();
  return vectors;
}
