/**
 * Graph -> plan: a schedule with every buffer, pipeline and bind group made beforehand.
 * `run()` replays it in a tight loop; whatever changes between steps is data in leaf buffers.
 */
import { fuse } from './fuse.js';
import type { Gpu } from './gpu.js';
import { isView, memoryOf, recordingOrder } from './graph.js';
import { getKernel, kernelSource, tensorOf } from './kernel.js';
import { createStorage, hostValues, leafBuffer, Reader } from './memory.js';
import type { Dispatch } from './op.js';
import type { GraphNode, Tensor } from './tensor.js';
import type { Choose, Tunable } from './tuning.js';

export interface PlanRequest {
  /** Tensors to keep after a run, to be read with `read()`. */
  readonly outputs?: readonly Tensor[];
  /** Nodes that change variables (an optimiser's step); they run after everything else. */
  readonly updates?: readonly GraphNode[];
  /** Where the backward pass begins; tells `describe()` what is held for it. */
  readonly loss?: Tensor;
}

export interface CompileOptions {
  /** Fills every buffer of the plan with NaN first, so that a test sees what a kernel failed to write. */
  readonly poison?: boolean;
  /** Runs what can be done in one kernel as one (fuse.ts). Default true. */
  readonly fuse?: boolean;
  /** Chooses between kernels that do the same work. Default: the device's tuning, or each operation's own rule. */
  readonly choose?: Choose;
  /** Called as kernels are tuned, where they are. */
  readonly onTuning?: (done: number, total: number) => void;
  /** Called as pipelines become ready: `done` of `total`. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Sizes of a plan in bytes, by what they hold. */
export interface PlanDescription {
  readonly dispatches: number;
  readonly kernels: number;
  /** Frozen leaves. */
  readonly constants: number;
  /** Parameters, optimiser state and inputs. */
  readonly variables: number;
  /** Forward results that are held for the backward pass; 0 when the request names no loss. */
  readonly saved: number;
  /** Other intermediate results after sharing, and what all of them would need without it. */
  readonly workspace: number;
  readonly workspaceUnshared: number;
  readonly outputs: number;
  /** All of it: what the device must hold. */
  readonly total: number;
  /** Largest single buffer; adapters limit the size of a binding. */
  readonly largest: number;
  /** Floating-point operations of one run, in matrix products and attention. */
  readonly flops: number;
}

interface Slot {
  readonly bytes: number;
  buffer?: GPUBuffer;
}

/** When a tensor occupies memory: from the step that writes it to the last one that reads it, both included. */
interface Lifetime {
  readonly tensor: Tensor;
  readonly from: number;
  readonly to: number;
}

/** Which nodes run, in which order, and where each tensor lives: everything that needs no device. */
export class Schedule {
  readonly nodes: readonly GraphNode[];
  readonly dispatches: readonly Dispatch[];
  readonly slots: readonly Slot[];
  readonly slotOf = new Map<Tensor, Slot>();
  readonly leaves = new Set<Tensor>();
  readonly outputs: readonly Tensor[];
  readonly workspaceUnshared: number;
  /** Bytes of what was computed up to the loss and is read after it. */
  private readonly saved: number;

  constructor(
    request: PlanRequest,
    capabilities: Gpu['capabilities'],
    options: Pick<CompileOptions, 'fuse' | 'choose'> = {},
  ) {
    const { outputs = [], updates = [] } = request;
    this.outputs = outputs;
    const recorded = recordingOrder(outputs, updates);
    const order = options.fuse === false ? recorded : fuse(recorded, outputs);
    this.nodes = [...order.filter((n) => !n.op.mutates), ...order.filter((n) => n.op.mutates)];
    const lastUse = this.lastUses();
    const kept = new Set(outputs.map(memoryOf));
    const dispatches: Dispatch[] = [];
    const lifetimes: Lifetime[] = [];
    this.nodes.forEach((node, step) => {
      if (isView(node)) return;
      const used = node.outputs.map((output) => lastUse.has(output) || kept.has(output));
      const launches = node.op.kernels!(node, { capabilities, used, choose: options.choose });
      dispatches.push(...launches);
      const written = new Set(launches.flatMap((d) => Object.values(d.writes).map(tensorOf)));
      for (const tensor of node.outputs)
        if (written.has(tensor)) {
          // What is read after a run must survive it, and so must have a slot of its own.
          const [from, to] = kept.has(tensor) ? [-1, this.nodes.length] : [step, lastUse.get(tensor) ?? step];
          lifetimes.push({ tensor, from, to });
        }
    });
    this.dispatches = dispatches;
    this.slots = this.place(lifetimes);
    const { loss } = request;
    const turn = loss ? this.nodes.findIndex((node) => node.outputs.includes(loss)) : this.nodes.length;
    this.saved = lifetimes
      .filter(({ tensor, from, to }) => !kept.has(tensor) && from < turn && to > turn)
      .reduce((total, { tensor }) => total + this.slotOf.get(tensor)!.bytes, 0);
    this.workspaceUnshared = lifetimes.reduce((total, { tensor }) => total + tensor.bytes, 0);
  }

  /** What a run needs, known before anything is allocated. */
  describe(): PlanDescription {
    const { slots, leaves, dispatches, nodes } = this;
    const kept = new Set(this.outputs.map(memoryOf));
    const sum = (tensors: Iterable<Tensor>) => [...tensors].reduce((total, t) => total + t.bytes, 0);
    const outputs = sum([...kept].filter((t) => !t.leaf));
    const constants = sum([...leaves].filter((t) => t.leaf!.kind === 'constant'));
    const variables = sum([...leaves].filter((t) => t.leaf!.kind !== 'constant'));
    const inSlots = slots.reduce((total, slot) => total + slot.bytes, 0);
    return {
      dispatches: dispatches.length,
      kernels: new Set(dispatches.map(kernelSource).map(({ code, entry }) => `${entry}\n${code}`)).size,
      constants,
      variables,
      saved: this.saved,
      workspace: inSlots - outputs - this.saved,
      workspaceUnshared: this.workspaceUnshared - outputs,
      outputs,
      total: constants + variables + inSlots,
      largest: Math.max(0, ...slots.map((slot) => slot.bytes), ...[...leaves].map((t) => t.bytes)),
      flops: nodes.reduce((total, node) => total + (node.op.flops?.(node) ?? 0), 0),
    };
  }

  /** For each tensor that owns memory, the last step that reads it. */
  private lastUses(): Map<Tensor, number> {
    const lastUse = new Map<Tensor, number>();
    this.nodes.forEach((node, step) => {
      for (const input of node.inputs) {
        const owner = memoryOf(input);
        if (owner.leaf) this.leaves.add(owner);
        // A view reads nothing itself; whoever reads the view does.
        if (!isView(node)) lastUse.set(owner, step);
      }
    });
    for (const output of this.outputs) if (memoryOf(output).leaf) this.leaves.add(memoryOf(output));
    return lastUse;
  }

  /**
   * Shares slots between tensors whose lifetimes do not meet. Largest first, each into the smallest slot that is free
   * while it lives: a small tensor that lives long then never holds a large slot that others could have used in turn.
   */
  private place(lifetimes: readonly Lifetime[]): Slot[] {
    const slots: { slot: Slot; taken: Lifetime[] }[] = [];
    const bySize = [...lifetimes].sort((a, b) => b.tensor.bytes - a.tensor.bytes || a.from - b.from);
    for (const lifetime of bySize) {
      const free = ({ taken }: { taken: Lifetime[] }) =>
        taken.every((other) => other.to < lifetime.from || other.from > lifetime.to);
      // Slots are in descending order of size, so the last free one is the smallest.
      let found = slots.findLast(free);
      if (!found) {
        found = { slot: { bytes: lifetime.tensor.bytes }, taken: [] };
        slots.push(found);
      }
      found.taken.push(lifetime);
      this.slotOf.set(lifetime.tensor, found.slot);
    }
    return slots.map(({ slot }) => slot);
  }
}

/** The choices of the device's tuner, once it has seen every choice that the plan will ask for. */
async function tuned(gpu: Gpu, request: PlanRequest, options: CompileOptions): Promise<Choose | undefined> {
  const { tuning } = gpu;
  if (!tuning) return undefined;
  const asked = new Map<string, Tunable>();
  const ask: Choose = (tunable) => {
    asked.set(tunable.key, tunable);
    return undefined;
  };
  new Schedule(request, gpu.capabilities, { ...options, choose: ask });
  await tuning.prepare(gpu, [...asked.values()], options.onTuning);
  return tuning.choose;
}

/** One dispatch of a plan, ready to be encoded. */
export interface Launch {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** A compiled graph on one device. */
export class Plan {
  private readonly reader: Reader;
  private constructor(
    private readonly gpu: Gpu,
    private readonly schedule: Schedule,
    readonly launches: readonly Launch[],
  ) {
    this.reader = new Reader(gpu);
    for (const output of schedule.outputs) this.reader.prepare(output.bytes);
  }

  static async compile(gpu: Gpu, request: PlanRequest, options: CompileOptions = {}): Promise<Plan> {
    const choose = options.choose ?? (await tuned(gpu, request, options));
    const schedule = new Schedule(request, gpu.capabilities, { ...options, choose });
    const sources = schedule.dispatches.map(kernelSource);
    const total = new Set(sources.map((s) => s.code + s.entry)).size;
    const ready = new Set<string>();
    const pipelines = Promise.all(
      sources.map(async (source) => {
        const kernel = await getKernel(gpu, source);
        const key = source.code + source.entry;
        if (!ready.has(key)) options.onProgress?.(ready.add(key).size, total);
        return kernel;
      }),
    );
    const kernels = await gpu.wait(pipelines);
    const launches = await gpu.scoped('the buffers of a plan', () => {
      for (const slot of schedule.slots) {
        slot.buffer = createStorage(gpu, slot.bytes, 'workspace');
        if (options.poison) poison(gpu, slot.buffer);
      }
      const bufferOf = (tensor: Tensor): GPUBuffer => {
        const owner = memoryOf(tensor);
        return owner.leaf ? leafBuffer(gpu, owner) : schedule.slotOf.get(owner)!.buffer!;
      };
      const groups = new Map<string, GPUBindGroup>();
      const ids = new Map<GPUBuffer, number>();
      return schedule.dispatches.map((dispatch, i) => {
        const { pipeline, layout } = kernels[i]!;
        const buffers = [...Object.values(dispatch.reads), ...Object.values(dispatch.writes)].map((o) =>
          bufferOf(tensorOf(o)),
        );
        const key = [
          Object.keys(dispatch.reads).length,
          ...buffers.map((buffer) => ids.get(buffer) ?? ids.set(buffer, ids.size).get(buffer)),
        ].join();
        let bindGroup = groups.get(key);
        if (!bindGroup) {
          bindGroup = gpu.device.createBindGroup({
            layout,
            entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
          });
          groups.set(key, bindGroup);
        }
        return { name: sources[i]!.name, pipeline, bindGroup, workgroups: dispatch.workgroups };
      });
    });
    return new Plan(gpu, schedule, launches);
  }

  /** Queues one step and returns at once. Creates no buffer, bind group or pipeline. */
  run(): void {
    this.gpu.check();
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, this.launches);
    pass.end();
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** Values of an output (or of a leaf that the plan uses) after the runs queued so far; int32 and float16 tensors as float32. */
  async read(tensor: Tensor): Promise<Float32Array> {
    return (await this.readTogether([tensor]))[0]!;
  }

  /** The same of several, with one copy and one wait for all of them. */
  async readTogether(tensors: readonly Tensor[]): Promise<Float32Array[]> {
    const sources = tensors.map((tensor) => ({ buffer: this.readable(tensor), bytes: tensor.bytes }));
    const copies = await this.reader.readTogether(sources);
    return copies.map((bytes, i) => hostValues(tensors[i]!, bytes));
  }

  private readable(tensor: Tensor): GPUBuffer {
    const owner = memoryOf(tensor);
    const buffer = owner.leaf ? leafBuffer(this.gpu, owner) : this.schedule.slotOf.get(owner)?.buffer;
    if (!buffer || (!owner.leaf && !this.schedule.outputs.some((o) => memoryOf(o) === owner)))
      throw new Error(`${tensor} is not an output of this plan`);
    return buffer;
  }

  /** Waits until everything queued so far has run. */
  async finish(): Promise<void> {
    await this.gpu.wait(this.gpu.device.queue.onSubmittedWorkDone());
    this.gpu.check();
  }

  describe(): PlanDescription {
    return this.schedule.describe();
  }

  /** Frees the plan's own buffers; leaves stay. */
  destroy(): void {
    for (const slot of this.schedule.slots) slot.buffer?.destroy();
    this.reader.destroy();
  }
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

function poison(gpu: Gpu, buffer: GPUBuffer): void {
  gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fc00000));
}
