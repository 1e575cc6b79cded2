/** Exports hold what the run and its CLIP hold, under the authors' names. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { openByContent } from '../../../../formats/openByContent.js';
import { encodeSafetensors } from '../../../../formats/safetensors.js';
import { type ClipCheckpoint, loadCheckpoint } from '../../../../models/checkpoints/load.js';
import { readClassVectors } from '../../../../models/promptkd/classVectors/classVectors.js';
import { openModelFile } from '../../../../models/promptkd/files/modelFile.js';
import { readStudent } from '../../../../models/promptkd/files/studentFile.js';
import { readTeacher } from '../../../../models/promptkd/files/teacherFile.js';
import { projectionKey } from '../../../../models/promptkd/files/trainerKeys.js';
import { type ExportOptions, exportRun } from '../../../../models/promptkd/use/exportRun.js';
import { emojiStudent } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { makeStudentRun, makeTeacherRun } from '../../../helpers/studentRun.js';

const folder = temporaryFolder('export');
const at = (name: string) => join(folder, name);
let student: ClipCheckpoint;
let teacher: ClipCheckpoint;
beforeAll(async () => {
  student = await makeStudentRun(at('student'));
  teacher = await makeTeacherRun(at('teacher'));
});

let files = 0;
async function exported(run: string, options: ExportOptions): Promise<string> {
  const out = at(`${++files}.${options.format}`);
  await exportRun(nodePlatform, at(run), out, options);
  return out;
}

/** Every tensor of `wanted` that passes `filter` is in `found`, bit by bit unless rounded. */
async function expectSame(
  found: ClipCheckpoint,
  wanted: ClipCheckpoint,
  filter: (name: string) => boolean,
  tolerance = 0,
): Promise<void> {
  const names = [...wanted.tensors.keys()].filter(filter).sort();
  expect([...found.tensors.keys()].sort()).toEqual(names);
  for (const name of names) {
    const [a, b] = [await found.tensors.get(name)!.read(), await wanted.tensors.get(name)!.read()];
    const error = a.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - b[i]!) / (Math.abs(b[i]!) + 1e-3)),
      0,
    );
    expect(error, name).toBeLessThanOrEqual(tolerance);
  }
}

const ofImages = (name: string) => name.startsWith('visual.') || name === 'logit_scale';

describe('a student', () => {
  it.each([{ format: 'pytorch' }, { format: 'safetensors', merged: true }] as const)(
    'as $format has its image encoder, prompts and projection',
    async (options) => {
      const found = await loadCheckpoint(nodePlatform, await exported('student', options));
      const stored = await readStudent(nodePlatform, at('student'));
      await expectSame(found, student, ofImages);
      expect(found.config).toMatchObject({ activation: student.config.activation, text: { width: 0 } });
      expect(await Promise.all(found.prompts!.vision.map((prompt) => prompt.read()))).toEqual(stored.prompts);
      for (const [name, tensor] of found.projection!)
        expect(await tensor.read(), name).toEqual(
          stored.projection[name.replace('running_', '') as keyof typeof stored.projection],
        );
      expect(found.projection!.size).toBe(8);
    },
  );

  it('has the names and shapes that the authors load', async () => {
    const { tensors, metadata } = await openByContent(
      nodePlatform,
      await exported('student', { format: 'pytorch' }),
    );
    const { embed } = student.config;
    const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape.join()]));
    expect(shapes).toMatchObject({
      logit_scale: '',
      'image_encoder.VPT': `3,${student.config.vision.width}`,
      'image_encoder.transformer.resblocks.1.VPT_shallow': `3,${student.config.vision.width}`,
      'VPT_image_trans.conv1.0.weight': `96,${embed},1,1`,
      'VPT_image_trans.conv1.0.bias': '96',
      'VPT_image_trans.conv1.1.running_var': '96',
      'VPT_image_trans.conv1.1.num_batches_tracked': '',
      'VPT_image_trans.conv1.3.weight': '96,96,1,1',
    });
    expect(tensors.get('VPT_image_trans.conv1.1.num_batches_tracked')!.dtype).toBe('I64');
    expect(Object.keys(shapes).filter((name) => /^(text_|prompt_learner)/.test(name))).toEqual([]);
    expect(metadata).toMatchObject({ epoch: '20', val_result: 'NaN' });
  });

  it('as safetensors alone has what was learned and the class vectors', async () => {
    const path = await exported('student', { format: 'safetensors' });
    expect(await openModelFile(nodePlatform, path)).toEqual({
      kind: 'student',
      from: 'prompts',
      clip: emojiStudent,
    });
    expect(await readStudent(nodePlatform, path)).toEqual(await readStudent(nodePlatform, at('student')));
    const own = await readClassVectors(nodePlatform, join(at('student'), 'class-vectors.safetensors'));
    expect(await readClassVectors(nodePlatform, path)).toEqual(own);
    const merged = await exported('student', { format: 'safetensors', merged: true });
    expect(await readClassVectors(nodePlatform, merged)).toEqual(own);
  });

  it('has float16 matrices with half, and what was learned in float32', async () => {
    // The embedded models are float16: a copy with values between those has something to round.
    const tensors = await Promise.all(
      [...student.tensors].map(async ([name, tensor]) => {
        const data = (await tensor.read()).map((value) => value * (1 + 2 ** -12));
        return { name, dtype: 'F32' as const, shape: tensor.shape, data };
      }),
    );
    writeFileSync(at('wide.safetensors'), encodeSafetensors(tensors));
    const wide = await makeStudentRun(at('wide'), { clip: at('wide.safetensors') });
    const whole = await exported('wide', { format: 'pytorch' });
    await expectSame(await loadCheckpoint(nodePlatform, whole), wide, ofImages);
    const path = await exported('wide', { format: 'pytorch', half: true });
    const found = await loadCheckpoint(nodePlatform, path);
    await expectSame(found, wide, ofImages, 2 ** -11);
    for (const [name, tensor] of found.tensors)
      if (tensor.shape.length >= 2) expect(tensor.dtype, name).toBe('F16');
    expect(found.tensors.get('logit_scale')!.dtype).toBe('F32');
    expect(found.tensors.get('visual.ln_pre.weight')!.dtype).toBe('F32');
    expect(found.prompts!.vision[0]!.dtype).toBe('F32');
    expect(found.projection!.get('fc1.weight')!.dtype).toBe('F32');
  });
});

describe('a teacher', () => {
  it('as pytorch has both towers and prompts, and no token embeddings', async () => {
    const path = await exported('teacher', { format: 'pytorch' });
    const found = await loadCheckpoint(nodePlatform, path);
    await expectSame(found, teacher, (name) => name !== 'token_embedding.weight');
    const stored = await readTeacher(nodePlatform, at('teacher'));
    for (const tower of ['text', 'vision'] as const)
      expect(await Promise.all(found.prompts![tower].map((prompt) => prompt.read()))).toEqual(
        stored.prompts[tower],
      );
    expect(found.metadata.template).toBe('a photo of a {}.');
    const { tensors } = await openByContent(nodePlatform, path);
    expect([...tensors.keys()].filter((name) => /VPT|ctx/.test(name))).toEqual([
      'prompt_learner.ctx',
      'text_encoder.transformer.resblocks.1.VPT_shallow',
      'image_encoder.VPT',
      'image_encoder.transformer.resblocks.1.VPT_shallow',
    ]);
  });

  it('as safetensors has its prompts', async () => {
    const path = await exported('teacher', { format: 'safetensors' });
    const { hash: _, ...found } = await readTeacher(nodePlatform, path);
    const { hash: __, ...wanted } = await readTeacher(nodePlatform, at('teacher'));
    expect(found).toEqual(wanted);
  });
});

describe('an export that cannot be', () => {
  const refused = (run: string, options: ExportOptions, message: RegExp | string) =>
    expect(exportRun(nodePlatform, at(run), at('refused'), options)).rejects.toThrow(message);

  it('says why and writes nothing', async () => {
    await refused('nowhere', { format: 'pytorch' }, 'does not exist');
    await refused('teacher', { format: 'safetensors', merged: true }, 'merged files are for students');
    await refused('student', { format: 'safetensors', half: true }, 'without the image encoder');
    cpSync(at('student'), at('unfinished'), { recursive: true });
    rmSync(join(at('unfinished'), 'student.safetensors'));
    await refused('unfinished', { format: 'pytorch' }, /unfinished has no student.safetensors/);
    expect(await nodePlatform.stat(at('refused'))).toBeUndefined();
  });

  it('has another CLIP than the run', async () => {
    const clip = at('another');
    cpSync(emojiStudent, clip, { recursive: true });
    await makeStudentRun(at('moved'), { clip });
    const weights = join(clip, 'model.safetensors');
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    await refused('moved', { format: 'pytorch' }, 'its SHA-256 differs');
  });
});

describe('the projection', () => {
  it('is numbered as a Sequential, whatever its depth', () => {
    const names = ['fc1.weight', 'bn.mean', 'fc2.bias', 'bn2.weight', 'fc3.weight'];
    expect(names.map((name) => projectionKey(name).replace('VPT_image_trans.conv1.', ''))).toEqual([
      '0.weight',
      '1.running_mean',
      '3.bias',
      '4.weight',
      '6.weight',
    ]);
  });
});
