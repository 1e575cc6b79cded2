/**
 * Schedule -> plan: every buffer, pipeline and bind group made beforehand.
 * `run()` replays it in a tight loop; whatever changes between steps is data in leaf buffers.
 */

import { OutOfMemoryError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import { memoryOf } from '../graph/traverse.js';
import type { Choose } from '../graph/tunable.js';
import { CHECKS, CHECKS_STRIDE } from '../kernels/bounds.js';
import { boundTensors, type KernelSource, kernelKey, workgroupsOf } from '../kernels/kernelSource.js';
import { type Gpu, mebibytes } from './gpu.js';
import { bindBuffers, getKernel, uniformBuffer } from './kernel.js';
import { checksOf } from './kernelChecks.js';
import type { Launch } from './launch.js';
import {
  createStorage,
  freeStorage,
  hostValues,
  leafBuffer,
  measureRoom,
  Reader,
  release,
  withoutBuffer,
} from './memory.js';
import { observerOf, submit } from './observer.js';
import {
  choicesOf,
  type PlanDescription,
  type PlanRequest,
  Schedule,
  type ScheduleOptions,
  type Slot,
} from './schedule.js';
import { Pieces } from './submissions.js';
import { tunerOf } from './tuner.js';

/** How a plan is compiled. */
export interface CompileOptions extends ScheduleOptions {
  /** Fills every buffer of the plan with NaN first, so that a test sees what a kernel failed to write. */
  readonly poison?: boolean;
  /** Called as pipelines become ready: `done` of `total`. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A compiled graph on one device. */
export class Plan {
  private readonly reader: Reader;
  private readonly pieces: Pieces;
  private constructor(
    private readonly gpu: Gpu,
    private readonly schedule: Schedule,
    private readonly buffers: ReadonlyMap<Slot, GPUBuffer>,
    readonly launches: readonly Launch[],
    private readonly checks: GPUBuffer | undefined,
    /** The leaves whose buffers it made. */
    private readonly made: readonly Tensor[],
  ) {
    this.reader = new Reader(gpu);
    this.pieces = new Pieces(launches);
    for (const output of schedule.outputs) this.reader.prepare(output.bytes);
  }

  /**
   * Makes every pipeline, buffer and bind group of a request.
   *
   * @throws OutOfMemoryError where its buffers do not fit; UserError where no kernel of the adapter is right
   */
  static async compile(gpu: Gpu, request: PlanRequest, options: CompileOptions = {}): Promise<Plan> {
    const schedule = await scheduled(gpu, request, options);
    const sources = schedule.sources();
    const total = new Set(sources.map(kernelKey)).size;
    const ready = new Set<string>();
    const pipelines = Promise.all(
      sources.map(async (source) => {
        const kernel = await getKernel(gpu, source);
        const key = kernelKey(source);
        if (!ready.has(key)) options.onProgress?.(ready.add(key).size, total);
        return kernel;
      }),
    );
    const kernels = await gpu.wait(pipelines);
    observerOf(gpu)?.compiled(sources);
    const checks = options.checkBounds ? boundsChecks(gpu, sources) : undefined;
    const { held } = gpu;
    const missing = withoutBuffer(gpu, schedule.leaves);
    const slots = new Map<Slot, GPUBuffer>();
    const making = gpu.scoped('the buffers of a plan', () => {
      for (const slot of schedule.slots) {
        const buffer = createStorage(gpu, slot.bytes, 'workspace');
        slots.set(slot, buffer);
        if (options.poison) poison(gpu, buffer);
      }
      const bufferOf = (tensor: Tensor): GPUBuffer => {
        const owner = memoryOf(tensor);
        return owner.leaf ? leafBuffer(gpu, owner) : slots.get(schedule.slotOf.get(owner)!)!;
      };
      const groups = new Map<string, GPUBindGroup>();
      const ids = new Map<GPUBuffer, number>();
      // A node with several launches shares its work evenly among them.
      const flops = schedule.steps.flatMap(({ node, dispatches }) =>
        dispatches.map(() => (node.op.flops?.(node) ?? 0) / dispatches.length),
      );
      return schedule.dispatches.map((dispatch, i) => {
        const kernel = kernels[i]!;
        const uniforms = uniformBuffer(gpu, dispatch);
        const buffers = [...boundTensors(dispatch).map(bufferOf), ...(uniforms ? [uniforms] : [])];
        const key = [
          checks && i,
          Object.keys(dispatch.reads).length,
          Object.keys(dispatch.writes).length,
          ...buffers.map((buffer) => ids.get(buffer) ?? ids.set(buffer, ids.size).get(buffer)),
        ].join();
        let bindGroup = groups.get(key);
        if (!bindGroup) {
          const check = checks ? [{ buffer: checks, offset: i * CHECKS_STRIDE, size: CHECKS_STRIDE }] : [];
          bindGroup = bindBuffers(gpu, kernel, [...buffers, ...check]);
          groups.set(key, bindGroup);
        }
        const workgroups = workgroupsOf(dispatch, gpu.capabilities);
        return {
          name: sources[i]!.name,
          pipeline: kernel.pipeline,
          bindGroup,
          workgroups,
          flops: flops[i]!,
          bytes: [...new Set(boundTensors(dispatch))].reduce((sum, tensor) => sum + tensor.bytes, 0),
        };
      });
    });
    const launches = await making.catch(async (error) => {
      freeAll(gpu, slots.values());
      freeStorage(gpu, checks);
      // Another plan must not use the buffers of a failed allocation.
      for (const leaf of missing) release(gpu, leaf);
      throw error instanceof OutOfMemoryError ? await shortage(gpu, schedule, missing, held, error) : error;
    });
    return new Plan(gpu, schedule, slots, launches, checks, missing);
  }

  /**
   * Queues one step and returns at once. Creates no buffer, bind group or pipeline. Long steps are split into submissions of
   * about `gpu.maxSubmitMs`.
   */
  run(): void {
    this.gpu.check();
    const { maxSubmitMs } = this.gpu;
    for (const launches of maxSubmitMs > 0 ? this.pieces.forRun(maxSubmitMs) : [this.launches])
      submit(this.gpu, launches);
  }

  /** Values of an output (or of a leaf that the plan uses) after the runs queued so far; int32 and float16 tensors as float32. */
  async read(tensor: Tensor): Promise<Float32Array> {
    return (await this.readTogether([tensor]))[0]!;
  }

  /** Values of several tensors, with one copy and one wait. */
  async readTogether(tensors: readonly Tensor[]): Promise<Float32Array[]> {
    const sources = tensors.map((tensor) => ({ buffer: this.readable(tensor), bytes: tensor.bytes }));
    const arrived = this.pieces.reading();
    const copies = await this.reader.readTogether(sources);
    arrived?.();
    return copies.map((bytes, i) => hostValues(tensors[i]!, bytes));
  }

  private readable(tensor: Tensor): GPUBuffer {
    const owner = memoryOf(tensor);
    const slot = this.schedule.slotOf.get(owner);
    const buffer = owner.leaf ? leafBuffer(this.gpu, owner) : slot && this.buffers.get(slot);
    if (!buffer || (!owner.leaf && !this.schedule.outputs.some((o) => memoryOf(o) === owner)))
      throw new Error(`${tensor} is not an output of this plan`);
    return buffer;
  }

  /**
   * Names of launches that accessed memory outside of a tensor so far. Needs `checkBounds`.
   *
   * @throws Error when the plan was compiled without it
   */
  async outside(): Promise<string[]> {
    if (!this.checks) throw new Error('the plan was compiled without checkBounds');
    const bytes = await this.reader.read(this.checks, this.checks.size);
    const counts = new Uint32Array(bytes);
    return this.launches.flatMap(({ name }, i) => (counts[(i * CHECKS_STRIDE) / 4]! > 0 ? [name] : []));
  }

  /** Waits until everything queued so far has run. */
  async finish(): Promise<void> {
    await this.gpu.wait(this.gpu.device.queue.onSubmittedWorkDone());
    this.gpu.check();
  }

  /** What a run needs: bytes by what they hold, dispatches and FLOPs. */
  describe(): PlanDescription {
    return this.schedule.describe();
  }

  /**
   * Frees the plan's own buffers.
   *
   * @param leaves also free those of the leaves that this plan was the first to use, such as inputs, constants and parameters that
   *   start from the host's values; not the weights of a model that was loaded before. Nothing may use them afterwards.
   */
  destroy({ leaves = false } = {}): void {
    freeAll(this.gpu, this.buffers.values());
    freeStorage(this.gpu, this.checks);
    this.reader.destroy();
    for (const leaf of leaves ? this.made : []) release(this.gpu, leaf);
  }
}

function freeAll(gpu: Gpu, buffers: Iterable<GPUBuffer>): void {
  for (const buffer of buffers) freeStorage(gpu, buffer);
}

/** Measures how much memory is missing by allocating the plan's buffers one by one. */
async function shortage(
  gpu: Gpu,
  { slots }: Schedule,
  leaves: readonly Tensor[],
  held: number,
  error: OutOfMemoryError,
): Promise<OutOfMemoryError> {
  const sizes = [...leaves, ...slots].map(({ bytes }) => bytes);
  const needed = held + sizes.reduce((sum, bytes) => sum + bytes, 0);
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const largest = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const longest = Math.max(...sizes);
  if (longest > largest)
    return new OutOfMemoryError(
      `the adapter allows buffers of ${mebibytes(largest)}, and the plan needs one of ${mebibytes(longest)}`,
      error.hint,
      { needed, available: Number.POSITIVE_INFINITY, largest },
    );
  const available = held + (await measureRoom(gpu, sizes));
  return new OutOfMemoryError(
    `not enough GPU memory: ${mebibytes(needed)} are needed in all, and there are ${mebibytes(available)}`,
    error.hint,
    { needed, available },
  );
}

/** The schedule with the device's choice of kernels, all of which passed their checks. */
async function scheduled(gpu: Gpu, request: PlanRequest, options: CompileOptions): Promise<Schedule> {
  const { capabilities } = gpu;
  const checks = checksOf(gpu);
  const tuner = tunerOf(gpu);
  if (!options.choose && tuner) await tuner.prepare(choicesOf(request, capabilities, options));
  const choose = options.choose ?? deviceChoice(gpu);
  for (;;) {
    const schedule = new Schedule(request, capabilities, { ...options, choose });
    prefetch(gpu, schedule);
    if (!checks || options.choose || (await checks.check(schedule))) return schedule;
  }
}

/** A counter for each launch of the accesses outside of its tensors, and behind it the lengths that they are compared with. */
function boundsChecks(gpu: Gpu, sources: readonly KernelSource[]): GPUBuffer {
  const words = CHECKS_STRIDE / 4;
  const values = new Uint32Array(words * sources.length);
  for (const [i, { checkedLengths }] of sources.entries()) values.set(checkedLengths!, i * words + 1);
  const buffer = createStorage(gpu, values.byteLength, CHECKS);
  gpu.device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

/**
 * Starts to compile the pipelines of a request, for example while weights load; a plan compiled later finds them in the cache.
 * The request needs no data. Errors are reported by that plan.
 */
export function prefetchPipelines(gpu: Gpu, request: PlanRequest): void {
  prefetch(gpu, new Schedule(request, gpu.capabilities, { choose: deviceChoice(gpu) }));
}

/** The tuner's choice if there is one, otherwise the first candidate that is not known to be wrong. */
function deviceChoice(gpu: Gpu): Choose {
  const checks = checksOf(gpu);
  const tuner = tunerOf(gpu);
  return (tunable) => tuner?.choose(tunable) ?? checks?.choose(tunable);
}

function prefetch(gpu: Gpu, schedule: Schedule): void {
  for (const source of schedule.sources()) getKernel(gpu, source).catch(() => {});
}

function poison(gpu: Gpu, buffer: GPUBuffer): void {
  gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fc00000));
}
