/** Finds the largest batch for a step that does not fit into the device's memory. */
import { type Capabilities, OutOfMemoryError, type PlanRequest, Schedule } from '../../../engine/index.js';

/**
 * The error to throw for one of a step's compilation: if memory was short, it names the largest batch that fits, which is found by
 * planning alone.
 *
 * @param batch of the step that did not fit
 * @param request the step with another batch, by shapes alone
 */
export function withFittingBatch(
  error: unknown,
  batch: number,
  request: (batch: number) => PlanRequest,
  capabilities: Capabilities,
): unknown {
  if (!(error instanceof OutOfMemoryError) || !error.need) return error;
  const { needed, available, largest = Number.POSITIVE_INFINITY } = error.need;
  const plan = (size: number) => new Schedule(request(size), capabilities).describe();
  // What other models and plans hold stays, whatever the batch.
  const others = Math.max(0, needed - plan(batch).total);
  const fits = (size: number) => {
    const { total, largest: longest } = plan(size);
    return others + total <= available && longest <= largest;
  };
  let [low, high] = [0, batch];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  const hint =
    low > 0
      ? `use --batch ${low}, the largest that fits; --accumulate makes an update of several such batches`
      : 'no batch fits: use a smaller model, --precision f16 or an adapter with more memory';
  return new OutOfMemoryError(error.message, hint, error.need);
}
