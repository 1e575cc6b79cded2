/** One training step of either stage: what a recorded step is, and the plan that runs it. */
import {
  type CompileOptions,
  type Gpu,
  Plan,
  type PlanRequest,
  type Tensor,
  write,
} from '../../../engine/index.js';
import type { StepResult } from '../../runs/train.js';
import type { GradientsAndUpdate } from './gradientsAndUpdate.js';
import { HealthReader } from './health.js';

/** The recorded graph of a step. */
export interface StepGraph extends GradientsAndUpdate {
  /** Input, `[batch, 3, resolution, resolution]`, normalised. */
  readonly images: Tensor;
  /** Input, `[1]`: the learning rate. */
  readonly rate: Tensor;
  /** `[1]`. */
  readonly loss: Tensor;
  /** The terms of the loss by the names that metrics have, `[1]` each; empty where it has one. */
  readonly parts: Readonly<Record<string, Tensor>>;
  /** What can be read after a step beside gradients, if it was asked for. */
  readonly inspected: readonly Tensor[];
}

/**
 * What the plan of a step must do: the same for a run and for a plan from shapes alone.
 *
 * @param inspect keep logits and gradients for reading; they then share no memory with anything else
 */
export const stepRequest = (graph: StepGraph, inspect = false): PlanRequest => ({
  outputs: [
    graph.loss,
    ...Object.values(graph.parts),
    ...(inspect ? [...graph.inspected, ...graph.gradients] : []),
  ],
  updates: graph.updates,
  loss: graph.loss,
});

/** How a step is compiled. */
export interface StepOptions extends CompileOptions {
  /** See `stepRequest`. */
  readonly inspect?: boolean;
}

/** A compiled step on one device. */
export class TrainingStep<G extends StepGraph = StepGraph> {
  private readonly health: HealthReader;
  private batches = 0;

  private constructor(
    private readonly gpu: Gpu,
    readonly graph: G,
    readonly plan: Plan,
    /** Absent where every batch's plan has the update in it. */
    private readonly finish: Plan | undefined,
  ) {
    this.health = new HealthReader(graph.health);
  }

  /** Compiles a recorded step for `gpu`, and the update of several batches where it is one. */
  static async compile<G extends StepGraph>(
    gpu: Gpu,
    graph: G,
    { inspect = false, ...options }: StepOptions = {},
  ): Promise<TrainingStep<G>> {
    const plan = await Plan.compile(gpu, stepRequest(graph, inspect), options);
    const finish = graph.finish && (await Plan.compile(gpu, { updates: graph.finish }));
    return new TrainingStep(gpu, graph, plan, finish);
  }

  /** Queues one step on what has been written to the graph's inputs, and the update behind the last batch of its group. */
  run(learningRate: number): void {
    write(this.gpu, this.graph.rate, Float32Array.of(learningRate));
    this.plan.run();
    this.batches++;
    if (this.updated) this.finish?.run();
  }

  /** Whether the parameters have changed with the batch queued last. */
  private get updated(): boolean {
    return !this.finish || this.batches % this.graph.accumulate === 0;
  }

  /** The losses of the step queued last, and whether what it trains is as it should be. Reads end in the order of their steps. */
  async readLosses(): Promise<StepResult> {
    const { health, updated } = this;
    const { loss, parts } = this.graph;
    const names = Object.keys(parts);
    const [total, ...values] = await this.plan.readTogether([
      loss,
      ...Object.values(parts),
      ...health.tensors,
    ]);
    const terms = names.map((name, i) => [name, values[i]![0]!] as const);
    const losses = { loss: total![0]!, ...Object.fromEntries(terms) };
    return { losses, fault: health.fault(losses, values.slice(names.length), updated) };
  }

  /**
   * Frees the plans' own buffers.
   *
   * @param leaves also free inputs, parameters and the optimiser's state (see `Plan.destroy`)
   */
  destroy(options?: { readonly leaves?: boolean }): void {
    this.finish?.destroy(options);
    this.plan.destroy(options);
  }
}
