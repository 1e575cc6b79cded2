/** A dispatch with its pipeline and its buffers. */

import type { Dispatch } from '../graph/dispatch.js';
import type { Tensor } from '../graph/tensor.js';
import { boundTensors, workgroupsOf } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { bindBuffers, type Kernel, uniformBuffer } from './kernel.js';

/** A launch that is ready to be encoded. */
export interface Launch {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** Its work: floating-point operations (for matmul and attention), and the bytes of the tensors that it binds. */
  readonly flops?: number;
  readonly bytes?: number;
}

/** Makes the launch of a single dispatch. */
export function makeLaunch(
  gpu: Gpu,
  dispatch: Dispatch,
  { name, pipeline, ...kernel }: Kernel & { readonly name: string },
  bufferOf: (tensor: Tensor) => GPUBuffer,
): Launch {
  const uniforms = uniformBuffer(gpu, dispatch);
  const buffers = [...boundTensors(dispatch).map(bufferOf), ...(uniforms ? [uniforms] : [])];
  const bindGroup = bindBuffers(gpu, { pipeline, ...kernel }, buffers);
  return { name, pipeline, bindGroup, workgroups: workgroupsOf(dispatch, gpu.capabilities) };
}

/** Records launches into a pass. */
export function encode(pass: GPUComputePassEncoder, launches: readonly Launch[]): void {
  let current: GPUComputePipeline | undefined;
  for (const { pipeline, bindGroup, workgroups } of launches) {
    if (pipeline !== current) pass.setPipeline(pipeline);
    current = pipeline;
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
}
