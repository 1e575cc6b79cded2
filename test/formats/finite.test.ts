/** Values that are infinite or not a number are found wherever they are, and refused by name. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import type { UserError } from '../../engine/errors.js';
import { toHalf } from '../../engine/half.js';
import { firstNotFinite, placeIn } from '../../formats/finite.js';
import { openByContent } from '../../formats/openByContent.js';
import { openSafetensors } from '../../formats/safetensors.js';
import { storedTensor, valueAt } from '../../formats/tensors.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { exportRun } from '../../models/promptkd/use/exportRun.js';
import { TestRandom } from '../helpers/check.js';
import { emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';
import { NOT_FINITE, poison } from '../helpers/poison.js';
import { rawSafetensors } from '../helpers/safetensors.js';
import { makeStudentRun, makeTeacherRun } from '../helpers/studentRun.js';
import { writeTorch } from '../helpers/torchFixtures.js';

const random = new TestRandom(11);
const below = (n: number) => Math.floor(((random.next() + 1) / 2) * n);
const names = Object.keys(NOT_FINITE) as (keyof typeof NOT_FINITE)[];
const largest = { F32: 0x7f7fffff, F16: 0x7bff, BF16: 0x7f7f } as const;

/** Bytes of `count` values of a dtype at an odd address, the largest finite ones of both signs among them. */
function valuesOf(dtype: 'F32' | 'F16' | 'BF16' | 'F64', count: number): Uint8Array {
  const make = { F32: Uint32Array, F16: Uint16Array, BF16: Uint16Array, F64: Float64Array }[dtype];
  const values = new make(count);
  for (let i = 0; i < count; i++) {
    if (dtype === 'F64') values[i] = (i % 2 === 0 ? 1 : -1) * Number.MAX_VALUE;
    else values[i] = (i % 3 === 0 ? largest[dtype] : 0) + (i % 2) * (dtype === 'F32' ? 2 ** 31 : 2 ** 15);
  }
  const bytes = new Uint8Array(values.buffer);
  const shifted = new Uint8Array(bytes.length + 1).subarray(1);
  shifted.set(bytes);
  return shifted;
}

function setBad(dtype: string, bytes: Uint8Array, at: number, name: keyof typeof NOT_FINITE): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'F32') view.setUint32(4 * at, NOT_FINITE[name].f32, true);
  if (dtype === 'F16') view.setUint16(2 * at, NOT_FINITE[name].f16, true);
  if (dtype === 'BF16') view.setUint16(2 * at, NOT_FINITE[name].f32 >>> 16, true);
  if (dtype === 'F64') view.setFloat64(8 * at, Number(name), true);
}

describe.each(['F32', 'F16', 'BF16', 'F64'] as const)('of %s', (dtype) => {
  it('the first bad value is found at any place of any length, and nothing among finite ones', () => {
    for (const count of [0, 1, 2, 3, 5, 16, 17, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 70_001]) {
      const good = valuesOf(dtype, count);
      expect(firstNotFinite(dtype, good), `${count} finite values`).toBeUndefined();
      for (const at of count === 0 ? [] : new Set([0, count - 1, count >> 1, below(count), below(count)]))
        for (const name of names) {
          const bytes = good.slice();
          setBad(dtype, bytes, at, name);
          setBad(dtype, bytes, count - 1, name);
          expect(firstNotFinite(dtype, bytes), `${name} at ${at} of ${count}`).toBe(at);
          expect(valueAt(dtype, bytes, at)).toBe(name);
        }
    }
  });
});

it('integers are finite whatever their bits, and places are those of the shape', () => {
  for (const dtype of ['I64', 'I32', 'I16', 'U8', 'I8', 'BOOL'])
    expect(firstNotFinite(dtype, new Uint8Array(64).fill(255))).toBeUndefined();
  expect(placeIn([4, 3, 2], 23)).toBe('[3, 2, 1]');
  expect(placeIn([7], 5)).toBe('[5]');
  expect(placeIn([], 0)).toBe('[]');
  expect(placeIn([100, 5], 7, 40)).toBe('[41, 2]');
});

describe('a stored tensor', () => {
  const folder = temporaryFolder('finite-tensors');
  const shape = [6, 5];

  it('is refused by file, name, value and place, however it is read', async () => {
    for (const name of names)
      for (const half of [false, true]) {
        const at = below(30);
        const bits = half ? NOT_FINITE[name].f16 : NOT_FINITE[name].f32;
        const data = half ? new Uint16Array(30) : new Float32Array(30);
        if (half) data[at] = bits;
        else new Uint32Array(data.buffer)[at] = bits;
        const path = join(folder, `${half}${name}.safetensors`);
        writeFileSync(path, rawSafetensors([{ name: 'w', shape, data }]));
        const tensor = (await openSafetensors(nodePlatform, path)).tensors.get('w')!;
        const message = `${path}: tensor "w" holds ${name} at [${Math.floor(at / 5)}, ${at % 5}]`;
        await expect(tensor.read()).rejects.toThrow(message);
        await expect(tensor.readHalf()).rejects.toThrow(message);
        await expect(tensor.readRows!(Math.floor(at / 5), 1)).rejects.toThrow(message);
        // Other rows are as they were.
        if (at >= 5) expect([...(await tensor.readRows!(0, 1))]).toEqual([0, 0, 0, 0, 0]);
        const error: UserError = await tensor.read().then(Promise.reject, (e) => e);
        expect(error.hint).toMatch(/train again/);
      }
  });

  it('is refused in a PyTorch file too', async () => {
    const path = join(folder, 'model.pt');
    const data = new Float32Array(30);
    data[17] = Number.NEGATIVE_INFINITY;
    writeFileSync(path, writeTorch([{ name: 'w', shape, data }]));
    const tensor = (await openByContent(nodePlatform, path)).tensors.get('w')!;
    const message = `${path}: tensor "w" holds -Infinity at [3, 2]`;
    await expect(tensor.read()).rejects.toThrow(message);
    await expect(tensor.readHalf()).rejects.toThrow(message);
  });

  it('of float64 is refused where float32 cannot hold it', async () => {
    const bytes = new Uint8Array(Float64Array.of(1, 1e300).buffer);
    const fail = (problem: string): never => {
      throw new Error(problem);
    };
    const tensor = storedTensor({ name: 'w', dtype: 'F64', shape: [2], bytes: async () => bytes, fail });
    await expect(tensor.read()).rejects.toThrow('holds 1e+300, too large for float32, at [1]');
  });

  it('that is finite is read as before', async () => {
    const path = join(folder, 'good.safetensors');
    const data = random.array(30, 3e4);
    writeFileSync(path, rawSafetensors([{ name: 'w', shape, data }]));
    const tensor = (await openSafetensors(nodePlatform, path)).tensors.get('w')!;
    expect(await tensor.read()).toEqual(data);
    expect(await tensor.readHalf()).toEqual(toHalf(data));
  });
});

describe('a model', () => {
  const folder = temporaryFolder('finite-models');
  const at = (...parts: string[]) => join(folder, ...parts);
  beforeAll(async () => {
    mkdirSync(at('clip'));
    cpSync(emojiStudent, at('clip'), { recursive: true });
    await makeStudentRun(at('student'));
    await makeTeacherRun(at('teacher'));
    // Before the run, which knows its CLIP by its hash.
    poison(at('clip', 'model.safetensors'), 'visual.proj', 5);
    await makeStudentRun(at('of a damaged CLIP'), { clip: at('clip') });
  });
  /** A copy of a run with such a value in one of its files. */
  const damaged = (run: string, file: string, name: string, index: number) => {
    const copy = at(`${run} ${name}`);
    cpSync(at(run), copy, { recursive: true });
    poison(join(copy, file), name, index, 'Infinity');
    return copy;
  };

  it.each([
    ['student', 'student.safetensors', 'vision.1'],
    ['student', 'student.safetensors', 'projection.bn.mean'],
    ['student', 'student.safetensors', 'projection.fc2.weight'],
    ['student', 'class-vectors.safetensors', 'class_vectors'],
    ['teacher', 'teacher.safetensors', 'text.0'],
  ])('is neither run nor exported with Infinity in the %s (%s, %s)', async (run, file, name) => {
    const copy = damaged(run, file, name, 7);
    const message = new RegExp(`${file}: tensor "[^"]*${name.replace(/.*\./, '')}" holds Infinity at \\[`);
    await expect(Classifier.ofRun(await testJob(), copy, ['cat', 'dog'])).rejects.toThrow(message);
    const out = at('out.safetensors');
    await expect(exportRun(nodePlatform, copy, out, { format: 'safetensors' })).rejects.toThrow(message);
    expect(await nodePlatform.stat(out)).toBeUndefined();
  });

  it('is not run with NaN in its CLIP, in either precision', async () => {
    for (const precision of ['f32', 'f16'] as const)
      await expect(
        Classifier.ofRun({ ...(await testJob()), precision }, at('of a damaged CLIP')),
      ).rejects.toThrow(/model\.safetensors: tensor "visual\.proj" holds NaN at \[0, 5\]/);
    const whole = await loadCheckpoint(nodePlatform, emojiTeacher);
    for (const tensor of whole.tensors.values()) await tensor.read();
  });
});
