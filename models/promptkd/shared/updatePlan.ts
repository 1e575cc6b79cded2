/** The planned update of a stage that accumulates gradients: it runs after every so many batches. */
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { Plan } from '../../../engine/gpu/plan.js';
import type { GraphNode } from '../../../engine/graph/op.js';

export class UpdatePlan {
  private batches = 0;

  private constructor(
    private readonly plan: Plan | undefined,
    private readonly accumulate: number,
  ) {}

  /** @param finish absent where every batch's plan has the update in it */
  static async compile(
    gpu: Gpu,
    finish: readonly GraphNode[] | undefined,
    { accumulate = 1 }: { readonly accumulate?: number },
  ): Promise<UpdatePlan> {
    return new UpdatePlan(finish && (await Plan.compile(gpu, { updates: finish })), accumulate);
  }

  /** Queues the update when the batch just queued was the last of its group; returns whether the parameters change with this batch. */
  afterBatch(): boolean {
    if (!this.plan) return true;
    const last = ++this.batches % this.accumulate === 0;
    if (last) this.plan.run();
    return last;
  }

  destroy(): void {
    this.plan?.destroy();
  }
}
