/** Graph -> schedule: which kernels run, in which order, and where each tensor lives. Needs no device. */

import type { Capabilities } from '../capabilities.js';
import type { Dispatch } from '../graph/dispatch.js';
import { fuse } from '../graph/fuse.js';
import type { GraphNode } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { isView, memoryOf, recordingOrder } from '../graph/traverse.js';
import type { Candidate, Choose, Tunable } from '../graph/tunable.js';
import { type KernelSource, kernelId, kernelKey, kernelSource, tensorOf } from '../kernels/kernelSource.js';

/** What a plan computes. */
export interface PlanRequest {
  /** Tensors to keep after a run, to be read with `read()`. */
  readonly outputs?: readonly Tensor[];
  /** Nodes that change variables (an optimiser's step); they run after everything else. */
  readonly updates?: readonly GraphNode[];
  /** Where the backward pass begins; tells `describe()` what is held for it. */
  readonly loss?: Tensor;
}

/** How a request becomes launches. */
export interface ScheduleOptions {
  /** Fuses nodes into one kernel where possible (fuse.ts). Default true. */
  readonly fuse?: boolean;
  /** Chooses between kernels that do the same work. Default: each operation's own rule. */
  readonly choose?: Choose;
  /** Counts accesses outside of tensors, for tests (`Plan.outside`). */
  readonly checkBounds?: boolean;
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
  /** All bytes that the device must hold. */
  readonly total: number;
  /** Largest single buffer; adapters limit the size of a binding. */
  readonly largest: number;
  /** Floating-point operations of one run, in matrix products and attention. */
  readonly flops: number;
}

/** Memory that is shared by tensors with disjoint lifetimes. A plan has a buffer for each slot. */
export interface Slot {
  readonly bytes: number;
}

/** When a tensor occupies memory: from the step that writes it to the last one that reads it, both included. */
interface Lifetime {
  readonly tensor: Tensor;
  readonly from: number;
  readonly to: number;
}

/** Which nodes run, in which order, and where each tensor lives. */
export class Schedule {
  readonly nodes: readonly GraphNode[];
  /** The launches of each node that is no view. */
  readonly steps: readonly { readonly node: GraphNode; readonly dispatches: readonly Dispatch[] }[];
  /** The choices between kernels and the chosen candidates, by the choices' keys. */
  readonly picks = new Map<string, { readonly tunable: Tunable; readonly candidate: Candidate }>();
  readonly dispatches: readonly Dispatch[];
  readonly slots: readonly Slot[];
  readonly slotOf = new Map<Tensor, Slot>();
  readonly leaves = new Set<Tensor>();
  readonly outputs: readonly Tensor[];
  readonly workspaceUnshared: number;
  /** Bytes of tensors computed before the loss and read after it. */
  private readonly saved: number;

  constructor(
    request: PlanRequest,
    private readonly capabilities: Capabilities,
    private readonly options: ScheduleOptions = {},
  ) {
    const { outputs = [], updates = [] } = request;
    this.outputs = outputs;
    const recorded = recordingOrder(outputs, updates);
    const order = options.fuse === false ? recorded : fuse(recorded, outputs);
    this.nodes = [...order.filter((n) => !n.op.mutates), ...order.filter((n) => n.op.mutates)];
    const lastUse = this.lastUses();
    const kept = new Set(outputs.map(memoryOf));
    const choose: Choose = (tunable) => {
      const name = options.choose?.(tunable);
      const candidate = tunable.candidates.find((each) => each.name === name) ?? tunable.candidates[0]!;
      this.picks.set(tunable.key, { tunable, candidate });
      return candidate.name;
    };
    const steps: { node: GraphNode; dispatches: Dispatch[] }[] = [];
    const lifetimes: Lifetime[] = [];
    this.nodes.forEach((node, step) => {
      if (isView(node)) return;
      const used = node.outputs.map((output) => lastUse.has(output) || kept.has(output));
      const launches = node.op.kernels!(node, { capabilities, used, choose });
      steps.push({ node, dispatches: launches });
      const written = new Set(launches.flatMap((d) => Object.values(d.writes).map(tensorOf)));
      for (const tensor of node.outputs)
        if (written.has(tensor)) {
          // An output is read after the run, so it needs a slot of its own.
          const [from, to] = kept.has(tensor) ? [-1, this.nodes.length] : [step, lastUse.get(tensor) ?? step];
          lifetimes.push({ tensor, from, to });
        }
    });
    this.steps = steps;
    this.dispatches = steps.flatMap(({ dispatches }) => dispatches);
    this.slots = this.allocate(lifetimes);
    const { loss } = request;
    const turn = loss ? this.nodes.findIndex((node) => node.outputs.includes(loss)) : this.nodes.length;
    this.saved = lifetimes
      .filter(({ tensor, from, to }) => !kept.has(tensor) && from < turn && to > turn)
      .reduce((total, { tensor }) => total + this.slotOf.get(tensor)!.bytes, 0);
    this.workspaceUnshared = lifetimes.reduce((total, { tensor }) => total + tensor.bytes, 0);
  }

  /** The complete WGSL of each dispatch. Generated on demand, as descriptions do not need it. */
  sources(): KernelSource[] {
    const { capabilities, options } = this;
    if (options.checkBounds) return this.dispatches.map((each) => kernelSource(each, capabilities, true));
    const known = new Map<string, KernelSource>();
    return this.dispatches.map((dispatch) => {
      const id = kernelId(dispatch, capabilities);
      const source = known.get(id) ?? kernelSource(dispatch, capabilities);
      known.set(id, source);
      return source;
    });
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
      kernels: new Set(this.sources().map(kernelKey)).size,
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
        // A view does not read memory; its readers do.
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
  private allocate(lifetimes: readonly Lifetime[]): Slot[] {
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

/** The choices between kernels that a plan of `request` has to make. */
export const choicesOf = (
  request: PlanRequest,
  capabilities: Capabilities,
  options: ScheduleOptions = {},
): Tunable[] =>
  [...new Schedule(request, capabilities, options).picks.values()].map(({ tunable }) => tunable);
