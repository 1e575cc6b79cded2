/** A dispatch with its pipeline and its buffers. */

/** Ready to be encoded. */
export interface Launch {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** What it does at the least: multiplications and additions where they matter, and bytes of every tensor that it binds, once. */
  readonly flops?: number;
  readonly bytes?: number;
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
