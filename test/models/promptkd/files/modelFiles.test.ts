/** The same numbers by every route: run folders, our exports, and checkpoints of the authors' code. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../../../../checks/verify/item.js';
import { ReferenceTensors } from '../../../../checks/verify/tensors.js';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { write } from '../../../../engine/gpu/memory.js';
import { Plan } from '../../../../engine/gpu/plan.js';
import { input } from '../../../../engine/graph/tensor.js';
import { encodeSequences } from '../../../../models/clip/textEncoder.js';
import { encodeImages } from '../../../../models/clip/vision.js';
import { findImages } from '../../../../models/datasets/imagePaths.js';
import type { Job } from '../../../../models/job.js';
import { makeClassVectors } from '../../../../models/promptkd/classVectors/makeClassVectors.js';
import { loadTeacher } from '../../../../models/promptkd/files/loadTeacher.js';
import { Classifier, type RunOptions } from '../../../../models/promptkd/use/classifier.js';
import { exportRun } from '../../../../models/promptkd/use/exportRun.js';
import { testGpu } from '../../../helpers/check.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { describeWithShared, sharedFolder } from '../../../helpers/shared.js';
import { makeStudentRun, makeTeacherRun } from '../../../helpers/studentRun.js';
import { studentClip, tensorOf, tinyClip, trainerClip } from '../../../helpers/tinyClip.js';
import { writeTorch } from '../../../helpers/torchFixtures.js';

const folder = temporaryFolder('model-files');
const at = (...parts: string[]) => join(folder, ...parts);
let job: Job;
beforeAll(async () => {
  const quiet = { update: () => {}, end: () => {} };
  job = { gpu: await testGpu(), platform: nodePlatform, begin: () => quiet, note: () => {} };
  await drawFewEmoji(at('data'));
  await makeStudentRun(at('student'));
  await makeTeacherRun(at('teacher'));
  const write = (run: string, out: string, options: Parameters<typeof exportRun>[3]) =>
    exportRun(nodePlatform, at(run), at(out), options);
  await write('student', 'student.pth.tar', { format: 'pytorch' });
  await write('student', 'learned.safetensors', { format: 'safetensors' });
  await write('student', 'merged.safetensors', { format: 'safetensors', merged: true });
  await write('teacher', 'teacher.pth.tar', { format: 'pytorch' });
  await write('teacher', 'prompts.safetensors', { format: 'safetensors' });
  // A plain CLIP, and what the authors' trainers save of one.
  writeFileSync(at('plain.pt'), writeTorch(tinyClip()));
  writeFileSync(at('authors-teacher.pth.tar'), writeTorch(trainerClip(), true));
  writeFileSync(at('authors-student.pth.tar'), writeTorch(studentClip(), true));
});

async function logits(model: string, names?: string[], options?: RunOptions): Promise<Float32Array> {
  const classifier = await Classifier.ofRun(job, at(model), names, options);
  const { items } = await findImages(nodePlatform, [at('data', 'test', 'bird')]);
  const { rows: values } = await classifier.logits(job, items, 'test');
  classifier.destroy();
  expect(values.length).toBeGreaterThan(0);
  return values;
}

describe('a student', () => {
  it('gives the same logits from its run and from each file', async () => {
    const wanted = await logits('student');
    expect(new Set(wanted).size).toBe(wanted.length);
    expect(await logits('merged.safetensors')).toEqual(wanted);
    expect(await logits('learned.safetensors')).toEqual(wanted);
    const classVectors = at('student', 'class-vectors.safetensors');
    expect(await logits('student.pth.tar', undefined, { classVectors })).toEqual(wanted);
    expect(await logits('student.pth.tar', undefined, { classVectors: at('merged.safetensors') })).toEqual(
      wanted,
    );
  });

  it('chooses among its classes', async () => {
    const all = await logits('merged.safetensors');
    const some = await logits('merged.safetensors', ['polar bear', 'cat']);
    expect([...some]).toEqual(
      Array.from({ length: all.length / 3 }, (_, i) => [all[3 * i + 2], all[3 * i]]).flat(),
    );
    await expect(logits('merged.safetensors', ['cow'])).rejects.toThrow('no vector for the class "cow"');
  });

  it('of the authors needs class vectors, and the right ones', async () => {
    await expect(logits('authors-student.pth.tar')).rejects.toThrow(/has no class vectors/);
    await expect(
      logits('authors-student.pth.tar', undefined, { classVectors: at('merged.safetensors') }),
    ).rejects.toThrow(/have 96 numbers, the projection of .* gives 12/);
  });

  it('of the authors has a projection of one width', async () => {
    const narrower = studentClip().map((tensor) => {
      if (tensor.name.endsWith('conv1.3.weight')) return tensorOf(tensor.name, [10, 12, 1, 1]);
      return tensor.name.endsWith('conv1.3.bias') ? tensorOf(tensor.name, [10]) : tensor;
    });
    writeFileSync(at('two-widths.pth.tar'), writeTorch(narrower, true));
    await expect(logits('two-widths.pth.tar')).rejects.toThrow('is not of Linear layers of one width');
  });
});

describe('a teacher', () => {
  const names = ['cat', 'polar bear'];
  it('gives the same class vectors and logits from its run and from each file', async () => {
    const make = async (path: string, clip?: string) => {
      const teacher = await loadTeacher(job, at(path), clip);
      const made = await makeClassVectors(job, teacher, names);
      teacher.model.release();
      return made;
    };
    const wanted = await make('teacher');
    expect((await make('teacher.pth.tar', emojiTeacher)).vectors).toEqual(wanted.vectors);
    expect(await make('prompts.safetensors')).toMatchObject({
      vectors: wanted.vectors,
      template: wanted.template,
    });
    const ofRun = await logits('teacher', names);
    expect(await logits('teacher.pth.tar', names, { teacherClip: emojiTeacher })).toEqual(ofRun);
  });

  it('of the authors says what it lacks', async () => {
    const file = at('authors-teacher.pth.tar');
    await expect(loadTeacher(job, file)).rejects.toMatchObject({
      message: expect.stringContaining('no token embeddings'),
      hint: expect.stringContaining('--teacher-clip'),
    });
    await expect(loadTeacher(job, file, emojiTeacher)).rejects.toThrow(/has text layers 2, but .* has 1$/);
    await expect(loadTeacher(job, file, file)).rejects.toThrow('no token embeddings either');
    await expect(logits('authors-teacher.pth.tar')).rejects.toThrow('needs class names');
  });

  it('is told from students and plain CLIPs', async () => {
    await expect(loadTeacher(job, at('merged.safetensors'))).rejects.toThrow('is a student, not a teacher');
    await expect(logits('plain.pt', names)).rejects.toThrow('holds no learned prompts');
    await expect(logits('student/class-vectors.safetensors', names)).rejects.toThrow('holds class vectors');
    await expect(logits('data/test/bird/duck.png')).rejects.toThrow('neither safetensors nor');
  });

  it('may lie beside the CLIP that it was tuned from', async () => {
    // The config describes the whole CLIP, and the teacher has no token table.
    mkdirSync(at('beside'));
    cpSync(at('teacher.pth.tar'), at('beside', 'teacher.pth.tar'));
    writeFileSync(
      at('beside', 'config.json'),
      JSON.stringify({ vision_config: {}, text_config: { vocab_size: 999, hidden_act: 'quick_gelu' } }),
    );
    const teacher = await loadTeacher(job, at('beside', 'teacher.pth.tar'), emojiTeacher);
    teacher.model.release();
  });
});

describeWithShared('goldens/formats', "the reference's teacher checkpoint", () => {
  it('gives its features with token embeddings of its CLIP', async () => {
    const formats = join(sharedFolder, 'goldens/formats');
    // A folder as a user would have it: the CLIP and a tokenizer.
    mkdirSync(at('clip'));
    cpSync(join(formats, 'openai.state_dict.pt'), at('clip', 'ViT.pt'));
    cpSync(join(emojiStudent, 'tokenizer.json'), at('clip', 'tokenizer.json'));
    const { model, prompts, template } = await loadTeacher(job, join(formats, 'teacher.pth.tar'), at('clip'));
    expect(template).toMatch(/\{\}\.$/);
    const reference = await ReferenceTensors.open(nodePlatform, join(formats, 'tensors.safetensors'));
    const text = await encodeSequences(
      job.gpu,
      model,
      await reference.sequences('given.tokens'),
      prompts.text,
    );
    const wanted = await reference.floats('expect.prompted_text_features');
    expect(relativeError(text, wanted)).toBeLessThan(1e-5);

    const images = input(reference.shape('given.images'), 'images');
    const features = encodeImages(model.weights, model.config, images, prompts.vision);
    const plan = await Plan.compile(job.gpu, { outputs: [features] });
    write(job.gpu, images, await reference.floats('given.images'));
    plan.run();
    const found = await plan.read(features);
    expect(relativeError(found, await reference.floats('expect.prompted_image_features'))).toBeLessThan(1e-5);
    plan.destroy();
    model.release();
  });
});
