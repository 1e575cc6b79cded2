/** Class vectors from a teacher's text encoder. */
import { tokenizeClasses } from '../../clip/classPrompts.js';
import { encodeSequences } from '../../clip/textEncoder.js';
import type { Job } from '../../job.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import type { Teacher } from '../shared/teacher.js';
import { type ClassVectors, normalizeRows } from './classVectors.js';

/** Unit text features of the class names, in their order. */
export async function makeClassVectors(
  job: Job,
  teacher: Teacher,
  classNames: readonly string[],
): Promise<ClassVectors> {
  const { model, template } = teacher;
  const tokenizer = await openTokenizer(job.platform, teacher);
  const sequences = tokenizeClasses(tokenizer, template, classNames, model.config.text.contextLength);
  const bar = job.begin('class vectors', sequences.length);
  const features = await encodeSequences(job.gpu, model, sequences, teacher.prompts.text, (done) =>
    bar.update(done),
  );
  bar.end();
  return {
    vectors: normalizeRows(features, model.config.embed),
    count: classNames.length,
    embed: model.config.embed,
    classNames,
    template,
    clipHash: teacher.clipHash,
    ...(teacher.hash && { teacherHash: teacher.hash }),
    logitScale: model.logitScale,
  };
}
