/** The shape of a teacher, read without loading it: what a plan of stage 2 needs. */
import { UserError } from '../../../engine/index.js';
import { isKnownModel, KNOWN_MODELS } from '../../clip/knownModels.js';
import type { Platform } from '../../platform.js';
import { readRunConfig } from '../../runs/runFolder.js';
import { readArchitecture } from '../shared/planned.js';
import { shapeOfTeacher, type TeacherShape, usualTeacher } from '../shared/teacher.js';
import { isFile, openModelFile } from './modelFile.js';
import { openTeacherFile, TEACHER_FILE } from './teacherFile.js';

/**
 * @param path whatever `loadTeacher` takes; also a run that is not finished, or the name of a published model: such a one, tuned
 *   with the defaults
 * @param clip the CLIP to take in place of the one that a run names
 * @throws UserError when it is no teacher
 */
export async function readTeacherShape(
  platform: Platform,
  path: string,
  clip?: string,
): Promise<TeacherShape> {
  if (isKnownModel(path)) return usualTeacher(KNOWN_MODELS[path]);
  if (await isFile(platform, path)) {
    const file = await openModelFile(platform, path);
    if (file.kind !== 'teacher')
      throw new UserError(`${path} is a student, not a teacher`, 'give a tuned teacher');
    if (file.from === 'prompts') return ofPrompts(platform, path, path, clip);
    const { config, prompts = { text: [], vision: [] } } = file.checkpoint;
    return shapeOfTeacher(config, prompts);
  }
  const run = await readRunConfig(platform, path, 'teacher');
  const file = platform.join(path, TEACHER_FILE);
  const own = clip ?? String(run.clip);
  if (await platform.stat(file)) return ofPrompts(platform, file, path, own);
  const config = await readArchitecture(platform, own);
  const size = (tower: 'text' | 'vision') => {
    const [depth, length] = [Number(run[`${tower}Depth`] ?? 0), Number(run[`${tower}Length`] ?? 0)];
    return depth > 0 ? { depth, length } : { depth: 0, length: 0 };
  };
  return { config, text: size('text'), vision: size('vision') };
}

/** Of a file of prompts, in the CLIP given or the one that the file names. */
async function ofPrompts(
  platform: Platform,
  path: string,
  run: string,
  clip: string | undefined,
): Promise<TeacherShape> {
  const { tensors, metadata } = await openTeacherFile(platform, path, run);
  const named = (tower: string) =>
    [...tensors].filter(([name]) => name.startsWith(`${tower}.`)).map(([, tensor]) => tensor);
  const config = await readArchitecture(platform, clip ?? metadata.clip ?? '');
  return shapeOfTeacher(config, { text: named('text'), vision: named('vision') });
}
