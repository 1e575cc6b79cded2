/** Run folders of the embedded models without training: their values are drawn. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../models/checkpoints/load.js';
import { encodeClassVectors, normalizeRows } from '../../models/promptkd/classVectors/classVectors.js';
import { STUDENT_FILE, TEACHER_FILE } from '../../models/promptkd/files/learnedFile.js';
import { CLASS_VECTORS_FILE, encodeStudent } from '../../models/promptkd/files/studentFile.js';
import { encodeTeacher } from '../../models/promptkd/files/teacherFile.js';
import { initialProjection } from '../../models/promptkd/shared/projection.js';
import { initialPrompts } from '../../models/promptkd/shared/prompts.js';
import { Random } from '../../models/random.js';
import { emojiStudent, emojiTeacher } from './emojiData.js';

const shape = { textDepth: 2, textLength: 4, visionDepth: 2, visionLength: 3 };

/** A teacher run in the new folder `run`. */
export async function makeTeacherRun(run: string, clip = emojiTeacher): Promise<ClipCheckpoint> {
  const checkpoint = await loadCheckpoint(nodePlatform, clip);
  const prompts = initialPrompts(shape, checkpoint.config, Random.of(1, 'teacher run'));
  const origin = {
    template: 'a photo of a {}.',
    classNames: ['cat'],
    clip,
    clipHash: await checkpoint.sha256(),
  };
  await nodePlatform.write(join(run, TEACHER_FILE), encodeTeacher(prompts, checkpoint.config, origin));
  writeFileSync(join(run, 'config.yaml'), `kind: teacher\nclip: ${clip}\nepochs: 20\n`);
  return checkpoint;
}

/** A student run in the new folder `run`, of classes and a teacher that are made up. */
export async function makeStudentRun(
  run: string,
  { classNames = ['cat', 'dog', 'polar bear'], embed = 96, clip = emojiStudent } = {},
): Promise<ClipCheckpoint> {
  const checkpoint = await loadCheckpoint(nodePlatform, clip);
  const { config } = checkpoint;
  const random = Random.of(1, 'student run');
  const projection = initialProjection(config.embed, embed, random);
  const draw = (count: number, from: number, to: number) =>
    Float32Array.from({ length: count }, () => random.uniform(from, to));
  await nodePlatform.write(
    join(run, STUDENT_FILE),
    encodeStudent({
      prompts: initialPrompts({ ...shape, textDepth: 0 }, config, random).vision,
      projection: { ...projection, 'bn.mean': draw(embed, -1, 1), 'bn.var': draw(embed, 0.5, 2) },
      width: config.vision.width,
      inputs: config.embed,
      outputs: embed,
      clip,
      clipHash: await checkpoint.sha256(),
    }),
  );
  const vectors = {
    vectors: normalizeRows(draw(classNames.length * embed, -1, 1), embed),
    count: classNames.length,
    embed,
    classNames,
    template: 'a photo of a {}.',
    clipHash: 'c'.repeat(64),
    teacherHash: 'd'.repeat(64),
    logitScale: 100,
  };
  await nodePlatform.write(join(run, CLASS_VECTORS_FILE), encodeClassVectors(vectors));
  writeFileSync(join(run, 'config.yaml'), `kind: student\nclip: ${clip}\nepochs: 20\n`);
  return checkpoint;
}
