/** Pipelines that a stage will need, asked for as soon as the architectures are known. */
import { type Gpu, type PlanRequest, prefetchPipelines } from '../../../engine/index.js';

/**
 * Begins to compile the pipelines of these plans: a GPU's compiler takes some 90 ms for each, one after the other, while the host
 * reads and uploads weights. They hardly depend on sizes, so a guess of what is not known yet will do.
 */
export function pipelinesAhead(gpu: Gpu, requests: readonly (() => PlanRequest)[]): void {
  // CPU adapters compile for each size, on the cores that load the weights.
  if (gpu.adapter.software) return;
  try {
    for (const request of requests) prefetchPipelines(gpu, request());
  } catch {
    // Nothing is lost but time: the run itself says what does not fit together.
  }
}
