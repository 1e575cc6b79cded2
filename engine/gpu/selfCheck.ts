/** A small calculation with a known result, to tell whether an adapter can be trusted at all. */
import type { Gpu } from './gpu.js';

/** The result of a self-check. */
export interface SelfCheck {
  readonly ok: boolean;
  /** Largest error relative to the largest result. */
  readonly error: number;
  readonly milliseconds: number;
}

const SIZE = 61;
const TOLERANCE = 1e-5;

/** c = exp(a b / SIZE), through a loop, a transcendental, workgroup memory and a barrier. */
const CODE = `
const SIZE: u32 = ${SIZE}u;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> row: array<f32, SIZE>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) column: u32) {
  if (column < SIZE) { row[column] = a[group.x * SIZE + column]; }
  workgroupBarrier();
  if (column >= SIZE) { return; }
  var sum = 0.0;
  for (var k = 0u; k < SIZE; k++) { sum += row[k] * b[k * SIZE + column]; }
  c[group.x * SIZE + column] = exp(sum / f32(SIZE));
}`;

/** Multiplies two matrices on the adapter and compares with the CPU. */
export async function selfCheck(gpu: Gpu): Promise<SelfCheck> {
  const a = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i));
  const b = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.cos(3 * i));
  const started = performance.now();
  const c = await onAdapter(gpu, a, b);
  const milliseconds = performance.now() - started;
  let worst = 0;
  let largest = 0;
  for (let row = 0; row < SIZE; row++)
    for (let column = 0; column < SIZE; column++) {
      let sum = 0;
      for (let k = 0; k < SIZE; k++) sum += a[row * SIZE + k]! * b[k * SIZE + column]!;
      const expected = Math.exp(sum / SIZE);
      largest = Math.max(largest, expected);
      const error = Math.abs(c[row * SIZE + column]! - expected);
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
    }
  const error = worst / largest;
  return { ok: error < TOLERANCE, error, milliseconds };
}

async function onAdapter(gpu: Gpu, a: Float32Array, b: Float32Array): Promise<Float32Array> {
  const { device } = gpu;
  const size = a.byteLength;
  // The numbers of GPUBufferUsage, whose global exists only where the platform defines it.
  const [MAP_READ, COPY_SRC, COPY_DST, STORAGE] = [0x1, 0x4, 0x8, 0x80];
  const { pipeline, inputs, result, staging } = await gpu.scoped('the self-check', () => ({
    pipeline: device.createComputePipeline({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code: CODE }), entryPoint: 'main' },
    }),
    inputs: [a, b].map((data) => {
      const buffer = device.createBuffer({ size, usage: STORAGE | COPY_DST });
      device.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
      return buffer;
    }),
    result: device.createBuffer({ size, usage: STORAGE | COPY_SRC }),
    staging: device.createBuffer({ size, usage: MAP_READ | COPY_DST }),
  }));
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...inputs, result].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(SIZE);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await gpu.wait(staging.mapAsync(0x1 /* READ */));
  const values = new Float32Array(staging.getMappedRange().slice(0));
  for (const buffer of [...inputs, result, staging]) buffer.destroy();
  gpu.check();
  return values;
}
