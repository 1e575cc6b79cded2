/** The shape of a teacher, read without loading it: what a plan of stage 2 needs. */
import { isKnownModel, KNOWN_MODELS } from '../../clip/knownModels.js';
import type { Platform } from '../../platform.js';
import { readArchitecture } from '../shared/planned.js';
import { shapeOfTeacher, type TeacherShape, usualTeacher } from '../shared/teacher.js';
import { openLearned, TEACHER_FILE } from './learnedFile.js';
import { openModel } from './modelFile.js';

/**
 * @param path whatever `loadTeacher` takes; also a run that is not finished, or the name of a published model, which stands for a
 *   teacher tuned with the defaults
 * @param clip the CLIP to take in place of the one that a run names
 * @throws UserError when it is not a teacher
 */
export async function readTeacherShape(
  platform: Platform,
  path: string,
  clip?: string,
): Promise<TeacherShape> {
  if (isKnownModel(path)) return usualTeacher(KNOWN_MODELS[path]);
  const model = await openModel(platform, path, 'teacher');
  if (model.from === 'checkpoint') {
    const { config, prompts = { text: [], vision: [] } } = model.checkpoint;
    return shapeOfTeacher(config, prompts);
  }
  if (model.from === 'run' && !(await platform.stat(platform.join(path, TEACHER_FILE)))) {
    const setting = (name: string) => Number(model.settings[name] ?? 0);
    const size = (tower: 'text' | 'vision') => {
      const depth = setting(`${tower}Depth`);
      return depth > 0 ? { depth, length: setting(`${tower}Length`) } : { depth: 0, length: 0 };
    };
    const config = await readArchitecture(platform, clip ?? model.clip);
    return { config, text: size('text'), vision: size('vision') };
  }
  const { tensors } = await openLearned(platform, path, 'teacher');
  const named = (tower: string) =>
    [...tensors].filter(([name]) => name.startsWith(`${tower}.`)).map(([, tensor]) => tensor);
  const config = await readArchitecture(platform, clip ?? model.clip);
  return shapeOfTeacher(config, { text: named('text'), vision: named('vision') });
}
