/** What we write as PyTorch's format, read by CPython's own modules and by our reader. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { openByContent } from '../../../formats/openByContent.js';
import { pytorchCheckpoint } from '../../../formats/pytorch/pytorchWriter.js';
import { openSafetensors, streamSafetensors } from '../../../formats/safetensors.js';
import { storedTensor, toFloat32 } from '../../../formats/tensors.js';
import { type WritableTensor, writable, writableInteger } from '../../../formats/writable.js';
import { bytesOf, temporaryFolder } from '../../helpers/files.js';
import { memoryPlatform } from '../../helpers/memoryPlatform.js';
import { type FixtureTensor, tensorOf } from '../../helpers/tinyClip.js';
import { halfBytes } from '../../helpers/torchFixtures.js';

const folder = temporaryFolder('pytorch-writer');
const python = spawnSync('python3', ['--version']).status === 0;

const stored = ({ name, shape, data }: FixtureTensor) =>
  storedTensor({
    name,
    dtype: 'F32',
    shape,
    bytes: async () => new Uint8Array(Float32Array.from(data).buffer),
    fail: (problem): never => {
      throw new Error(`"${name}" ${problem}`);
    },
  });
const matrix = tensorOf('weight', [3, 5]);
const scalar = tensorOf('logit_scale', []);
const wide = tensorOf('conv', [4, 3, 1, 1]);
const tensors: WritableTensor[] = [
  writable(stored(scalar), scalar.name, 'F32'),
  writable(stored(matrix), matrix.name, 'F16'),
  writable(stored(wide), wide.name, 'F32'),
  writableInteger('steps', 70_000),
];
const scalars = {
  epoch: 20,
  big: 2 ** 40,
  negative: -3,
  val_result: Number.NaN,
  name: 'naïve',
  nothing: null,
};

describe('a PyTorch checkpoint', () => {
  it.skipIf(!python)('is what CPython reads', async () => {
    const path = join(folder, 'model.pth.tar');
    writeFileSync(path, await bytesOf(pytorchCheckpoint(tensors, scalars)));
    const script = fileURLToPath(new URL('../../fixtures/readTorch.py', import.meta.url));
    const { stdout, stderr } = spawnSync('python3', [script, path], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ byteorder: 'little', version: '3\n', stored: true });
    for (const offset of found.offsets) expect(offset % 64).toBe(0);
    expect(found.scalars).toEqual({
      epoch: '20',
      big: String(2 ** 40),
      negative: '-3',
      val_result: 'nan',
      name: "'naïve'",
      nothing: 'None',
    });
    expect(Object.keys(found.tensors)).toEqual(['logit_scale', 'weight', 'conv', 'steps']);
    const common = { offset: 0, device: 'cpu', requiresGrad: false };
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(found.tensors.weight).toEqual({
      ...common,
      storage: 'HalfStorage',
      count: 15,
      bytes: 30,
      shape: [3, 5],
      strides: [5, 1],
      sha256: hash(halfBytes(matrix.data)),
    });
    expect(found.tensors.conv).toMatchObject({ storage: 'FloatStorage', strides: [3, 1, 1, 1], bytes: 48 });
    expect(found.tensors.logit_scale).toMatchObject({ count: 1, shape: [], strides: [] });
    expect(found.tensors.steps).toMatchObject({
      storage: 'LongStorage',
      sha256: hash(new Uint8Array(BigInt64Array.of(70_000n).buffer)),
    });
  });

  it('is what our reader reads', async () => {
    const files = { 'model.pth.tar': await bytesOf(pytorchCheckpoint(tensors, scalars)) };
    const opened = await openByContent(memoryPlatform(files), 'model.pth.tar');
    expect(opened.format).toBe('PyTorch trainer checkpoint');
    expect(opened.metadata).toMatchObject({ epoch: '20', name: 'naïve', val_result: 'NaN' });
    for (const { name, shape, data } of [matrix, scalar, wide]) {
      expect(opened.tensors.get(name)!.shape).toEqual(shape);
      expect(await opened.tensors.get(name)!.read()).toEqual(data);
    }
    expect(await opened.tensors.get('steps')!.readInts()).toEqual(Int32Array.of(70_000));
  });

  it('keeps tensors without elements', async () => {
    const empty = writable(
      stored({ name: 'empty', shape: [0, 4], data: new Float32Array(0) }),
      'empty',
      'F32',
    );
    const files = { 'model.pt': await bytesOf(pytorchCheckpoint([empty], {})) };
    const opened = await openByContent(memoryPlatform(files), 'model.pt');
    expect(await opened.tensors.get('empty')!.read()).toEqual(new Float32Array(0));
  });
});

describe('safetensors in pieces', () => {
  it('are a valid file with aligned tensors', async () => {
    const files = { 'model.safetensors': await bytesOf(streamSafetensors(tensors, { kind: 'test' })) };
    const opened = await openSafetensors(memoryPlatform(files), 'model.safetensors');
    expect(opened.metadata).toEqual({ kind: 'test' });
    expect(await opened.tensors.get('weight')!.read()).toEqual(matrix.data);
    expect(await opened.tensors.get('steps')!.readInts()).toEqual(Int32Array.of(70_000));
    expect([...opened.tensors.keys()]).toEqual(['steps', 'conv', 'logit_scale', 'weight']);
  });
});

describe('float16', () => {
  it('rounds to nearest even', async () => {
    const data = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_504, -65_519, 2 ** -25);
    const bytes = await writable(stored({ name: 'x', shape: [5], data }), 'x', 'F16').bytes();
    expect([...toFloat32('F16', bytes)]).toEqual([1, 1 + 2 ** -9, 65_504, -65_504, 0]);
  });
  it('refuses what it cannot hold', async () => {
    const tensor = writable(stored({ name: 'x', shape: [1], data: Float32Array.of(70_000) }), 'x', 'F16');
    await expect(tensor.bytes()).rejects.toThrow('"x" holds 70000, and float16 ends at 65504');
    // The message arrives whole, and no file is left.
    const out = join(folder, 'half.safetensors');
    await expect(nodePlatform.write(out, streamSafetensors([tensor]))).rejects.toThrow('float16 ends');
    expect(await nodePlatform.list(folder)).not.toContainEqual({ name: 'half.safetensors', kind: 'file' });
  });
});
