/** Weights on their way to a device: order, memory, and what is left when it fails. */
import { describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { readLeaf } from '../../../engine/gpu/memory.js';
import { constant, type Tensor } from '../../../engine/graph/tensor.js';
import { uploadWeights } from '../../../models/clip/upload.js';
import { testGpu } from '../../helpers/check.js';

const MIB = 2 ** 20;
const leafOf = (size: number, label: string) => constant(undefined, [size], label);
const source = (leaf: Tensor, value: number) => ({
  leaf,
  read: async () => new Float32Array(leaf.size).fill(value),
});

describe('uploadWeights', () => {
  it('brings every weight to its place and says so in turn', async () => {
    const gpu = await testGpu();
    const leaves = [8, 4, 300].map((size, i) => leafOf(size, `weight ${i}`));
    const done: number[] = [];
    await uploadWeights(
      gpu,
      leaves.map((leaf, i) => source(leaf, i + 1)),
      (count) => done.push(count),
    );
    expect(done).toEqual([1, 2, 3]);
    for (const [i, leaf] of leaves.entries()) expect((await readLeaf(gpu, leaf))[leaf.size - 1]).toBe(i + 1);
  });

  it('reads ahead, but no more than 32 MiB', async () => {
    const gpu = await testGpu();
    let open = 0;
    let most = 0;
    const sources = Array.from({ length: 12 }, (_, i) => {
      const leaf = leafOf((10 * MIB) / 4, `weight ${i}`);
      const read = async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return new Float32Array(leaf.size);
      };
      return { leaf, read };
    });
    await uploadWeights(gpu, sources, () => open--);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('names the weight that there is no memory for, and frees the others', async () => {
    const gpu = await testGpu();
    const before = leafOf(4, 'the first one');
    const huge = leafOf(4, 'visual.huge');
    const { device } = gpu;
    const create = device.createBuffer.bind(device);
    const spy = vi
      .spyOn(device, 'createBuffer')
      .mockImplementation((wanted) =>
        create(wanted.label === huge.label ? { ...wanted, size: 2 ** 45 } : wanted),
      );
    const failed = uploadWeights(gpu, [source(before, 1), source(huge, 2), source(leafOf(4, 'the last'), 3)]);
    const error = await failed.catch((e) => e);
    spy.mockRestore();
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('the weight visual.huge');
    expect([...(await readLeaf(gpu, before))]).toEqual([0, 0, 0, 0]);
  });

  it('fails as the file does, without another failure behind it', async () => {
    const gpu = await testGpu();
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const broken = (name: string) => ({
      leaf: leafOf(4, name),
      read: () => Promise.reject(new UserError(`${name} cannot be read`, 'copy it again')),
    });
    const before = leafOf(4, 'before');
    await expect(uploadWeights(gpu, [source(before, 1), broken('b'), broken('c')])).rejects.toThrow(
      'b cannot be read',
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect([...(await readLeaf(gpu, before))]).toEqual([0, 0, 0, 0]);
  });
});
