/** WGSL -> compute pipeline. A cache per device compiles each text once. */
import type { Dispatch } from '../graph/dispatch.js';
import { boundUniforms, type KernelSource, kernelKey } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { perDevice } from './perDevice.js';

/** A compute pipeline and how buffers are bound to it. */
export interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

interface Cache {
  readonly layouts: Map<string, GPUBindGroupLayout>;
  readonly kernels: Map<string, Promise<Kernel>>;
  readonly uniforms: Map<string, GPUBuffer>;
}
const cacheOf = perDevice((): Cache => ({ layouts: new Map(), kernels: new Map(), uniforms: new Map() }));

function layoutFor(gpu: Gpu, source: KernelSource): GPUBindGroupLayout {
  const { layouts } = cacheOf(gpu);
  const types = [
    ...Array(source.reads).fill('read-only-storage'),
    ...Array(source.writes).fill('storage'),
    ...(source.uniform ? ['uniform'] : []),
    ...(source.checkedLengths ? ['storage'] : []),
  ] as GPUBufferBindingType[];
  const key = types.join();
  let layout = layouts.get(key);
  if (!layout) {
    const entries = types.map((type, binding) => ({
      binding,
      // As a number: not every platform defines the global GPUShaderStage.
      visibility: 4 /* GPUShaderStage.COMPUTE */,
      buffer: { type },
    }));
    layout = gpu.device.createBindGroupLayout({ label: key, entries });
    layouts.set(key, layout);
  }
  return layout;
}

/** The number of pipelines requested on this device so far. */
export const pipelineCount = (gpu: Gpu): number => cacheOf(gpu).kernels.size;

/** The pipeline for a kernel, compiled at most once a device. Rejects with the compiler's messages. */
export function getKernel(gpu: Gpu, source: KernelSource): Promise<Kernel> {
  const { kernels } = cacheOf(gpu);
  const key = kernelKey(source);
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = build(gpu, source);
    kernels.set(key, kernel);
  }
  return kernel;
}

/** The uniform buffer of a launch, if it reads one. Launches with the same values share it. */
export function uniformBuffer(gpu: Gpu, dispatch: Dispatch): GPUBuffer | undefined {
  const uniforms = boundUniforms(dispatch, gpu.capabilities);
  if (!uniforms) return undefined;
  const { uniforms: buffers } = cacheOf(gpu);
  const values = Object.values(uniforms).map((value) =>
    typeof value === 'number' ? value : bitsOf(value.f32),
  );
  const key = values.join();
  let buffer = buffers.get(key);
  if (!buffer) {
    const size = Math.ceil(values.length / 4) * 16;
    buffer = gpu.device.createBuffer({ label: 'uniforms', size, usage: 0x40 | 0x8 /* UNIFORM | COPY_DST */ });
    gpu.device.queue.writeBuffer(buffer, 0, Uint32Array.from(values));
    buffers.set(key, buffer);
  }
  return buffer;
}

/** The bits of a float32. */
const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

/** Binds buffers to a kernel, in the order of its bindings: tensors, uniforms, and what a test adds. */
export const bindBuffers = (
  gpu: Gpu,
  { layout }: Kernel,
  resources: readonly (GPUBuffer | GPUBufferBinding)[],
): GPUBindGroup =>
  gpu.device.createBindGroup({
    layout,
    entries: resources.map((resource, binding) => ({
      binding,
      resource: 'buffer' in resource ? resource : { buffer: resource },
    })),
  });

/** A kernel that does not compile; the message has the compiler's messages. */
export class KernelRefused extends Error {}

async function build(gpu: Gpu, source: KernelSource): Promise<Kernel> {
  const { device } = gpu;
  const layout = layoutFor(gpu, source);
  // A faulty shader is an error of this kernel, not of the device.
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: source.name, code: source.code });
  const making = device.createComputePipelineAsync({
    label: source.name,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: source.entry },
  });
  const [made] = await Promise.allSettled([making, device.popErrorScope()]);
  if (made.status === 'fulfilled') return { pipeline: made.value, layout };
  const info = await module.getCompilationInfo();
  const messages = info.messages.map((m) => `${source.name}:${m.lineNum}:${m.linePos} ${m.message}`);
  // wgpu says "Parent device is lost" before it says so of the device, and that is no fault of the kernel.
  const loss = await gpu.lossBehind(made.reason);
  if (loss) throw loss;
  gpu.check();
  throw new KernelRefused(`kernel ${source.name} does not compile\n${messages.join('\n') || made.reason}`);
}
