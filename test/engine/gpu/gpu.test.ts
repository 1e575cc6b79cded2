import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { type Gpu, listAdapters, openGpu } from '../../../engine/gpu/gpu.js';
import { selfCheck } from '../../../engine/gpu/selfCheck.js';

const STORAGE = 0x80;
const source = (code: string) => `${code} @compute @workgroup_size(1) fn main() {}`;

function compile({ device }: Gpu, code: string): void {
  const module = device.createShaderModule({ code: source(code) });
  device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
}

describe('the adapter of this machine', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await openGpu();
  });
  afterAll(() => gpu.destroy());

  it('is among those that are listed', async () => {
    expect((await listAdapters()).map((a) => a.name)).toContain(gpu.adapter.name);
  });

  it('gets its own limits and not the defaults', () => {
    for (const limit of [
      'maxBufferSize',
      'maxStorageBufferBindingSize',
      'maxComputeWorkgroupStorageSize',
    ] as const)
      expect(gpu.device.limits[limit]).toBe(gpu.adapter.limits[limit]);
  });

  it('has the features that its capabilities promise', () => {
    const { f16, subgroups, subgroupSize, timestamps } = gpu.capabilities;
    expect(gpu.device.features.has('shader-f16')).toBe(f16);
    expect(gpu.device.features.has('subgroups')).toBe(subgroups);
    expect(gpu.device.features.has('timestamp-query')).toBe(timestamps);
    if (subgroups) expect(subgroupSize![0]).toBeLessThanOrEqual(subgroupSize![1]);
  });

  it('passes the self-check, and the self-check notices when it does not', async () => {
    const right = await selfCheck(gpu);
    expect(right).toMatchObject({ ok: true });
    expect(right.error).toBeLessThan(1e-5);
    // A device that loses the end of everything that is written to it.
    const forward = (real: object, key: PropertyKey) => {
      const value = Reflect.get(real, key, real);
      return typeof value === 'function' ? value.bind(real) : value;
    };
    const queue = new Proxy(gpu.device.queue, {
      get: (real, key) =>
        key !== 'writeBuffer'
          ? forward(real, key)
          : (buffer: GPUBuffer, offset: number, data: Float32Array<ArrayBuffer>) =>
              real.writeBuffer(
                buffer,
                offset,
                data.map((value, i) => (i < 30 ? value : 0)),
              ),
    });
    const device = new Proxy(gpu.device, {
      get: (real, key) => (key === 'queue' ? queue : forward(real, key)),
    });
    const faulty = Object.create(gpu, { device: { value: device } }) as typeof gpu;
    expect(await selfCheck(faulty)).toMatchObject({ ok: false });
  });

  it('can be held to a lower level', async () => {
    const held = await openGpu({ level: 'portable' });
    expect(held.capabilities.level).toBe('portable');
    held.destroy();
  });

  it('passes results and rejections through wait', async () => {
    // Deno gives null.
    expect((await gpu.wait(gpu.device.queue.onSubmittedWorkDone())) ?? undefined).toBeUndefined();
    expect(await gpu.wait(new Promise((resolve) => setTimeout(resolve, 5, 'late')))).toBe('late');
    await expect(gpu.wait(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('calls a buffer beyond the limit too little memory, names it, and goes on', async () => {
    const huge = () => gpu.device.createBuffer({ size: 2 ** 50, usage: STORAGE });
    const error = await gpu.scoped('the token table', huge).catch((e) => e);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('not enough GPU memory for the token table');
    expect(
      await gpu.scoped('a small one', () => gpu.device.createBuffer({ size: 16, usage: STORAGE })),
    ).toBeDefined();
  });

  it('reports what the device refuses, and what making throws', async () => {
    await expect(gpu.scoped('a shader', () => compile(gpu, 'nonsense'))).rejects.toThrow(/^a shader: /);
    const thrown = gpu.scoped('nothing', () => {
      throw new Error('before the device');
    });
    await expect(thrown).rejects.toThrow('before the device');
  });
});

describe('errors outside a scope', () => {
  it('are thrown by check, and destroying is none', async () => {
    const gpu = await openGpu();
    gpu.check();
    gpu.device.createBuffer({ size: 16, usage: 0xfffff });
    await gpu.wait(gpu.device.queue.onSubmittedWorkDone());
    expect(() => gpu.check()).toThrow(/the device: /);
    gpu.destroy();

    const other = await openGpu();
    other.destroy();
    await other.device.lost;
    expect(() => other.check()).not.toThrow();
  });
});

describe('openGpu', () => {
  it('names the adapters that there are when the wanted one is not', async () => {
    const [first] = await listAdapters();
    const error = await openGpu({ adapter: 'abacus' }).catch((e) => e);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain(first!.name);
  });

  it('finds an adapter by part of its name in any case', async () => {
    const [first] = await listAdapters();
    const gpu = await openGpu({ adapter: first!.name.slice(0, 5).toUpperCase() });
    expect(gpu.adapter.name).toBe(first!.name);
    gpu.destroy();
  });

  it('compiles shaders of every level without an adapter', async ({ skip }) => {
    if ('Deno' in globalThis) skip("the null backend is Dawn's");
    const gpu = await openGpu({ backend: 'null' });
    expect(gpu.capabilities).toMatchObject({ f16: true, subgroups: true, level: 'matrix' });
    expect(gpu.adapter).toMatchObject({ backend: 'null', software: false });
    const matrix = `enable f16; enable chromium_experimental_subgroup_matrix;
      alias Left = subgroup_matrix_left<f16, 16, 16>;`;
    await gpu.scoped('a matrix shader', () => compile(gpu, matrix));
    await expect(gpu.scoped('a wrong one', () => compile(gpu, 'const x: u32 = -1;'))).rejects.toThrow(
      'a wrong one',
    );
    gpu.destroy();
  });
});
