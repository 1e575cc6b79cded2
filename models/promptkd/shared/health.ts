/**
 * Whether a step left something that it must not: looked at on the device behind its updates (engine/train/magnitude.ts), read back
 * beside the losses, and told in words. Comparisons and maxima may swallow a NaN, so the loss alone does not tell.
 */
import { type GraphNode, largestMagnitude, type Tensor, type Watch } from '../../../engine/index.js';
import type { StepLosses } from '../../runs/train.js';

/**
 * A value beyond this is no result of training any more. Weights of published CLIPs end at some 50, prompts, projections and
 * running means of healthy runs at 10, those of variances at 1,000; a run that diverges doubles them with every few steps, or
 * jumps beyond these limits at once, long before float32 ends at 3e38.
 */
export const LARGEST = 1e4;
const LARGEST_VARIANCE = 1e8;
/** Steps in a row without finite gradients that end a run: the scale of the loss has then fallen from any value to its least. */
export const MOST_SKIPPED = 30;

/** What looks at a step's results, as part of its graph. */
export interface Health {
  /** Run behind the updates of every batch. */
  readonly updates: readonly GraphNode[];
  /** Run behind the update of several batches, if any. */
  readonly finish: readonly GraphNode[];
  readonly watches: readonly Watch[];
  /** Under a loss scale: steps since it changed (`ScaledGradients.goodSteps`). */
  readonly goodSteps?: Tensor;
}

/**
 * Record it after everything that changes `parameters` and `statistics`. The optimiser's momentum needs no look of its own: what
 * is wrong with it is in the parameters by the same update.
 *
 * @param statistics BatchNorm's running ones, which change with every batch
 * @param accumulates whether the parameters change after several batches
 */
export function recordHealth(
  parameters: readonly Tensor[],
  statistics: readonly Tensor[],
  accumulates: boolean,
  goodSteps?: Tensor,
): Health {
  const watch = (tensors: readonly Tensor[]) => (tensors.length > 0 ? [largestMagnitude(tensors)] : []);
  const batch = watch(accumulates ? statistics : [...parameters, ...statistics]);
  const late = accumulates ? watch(parameters) : [];
  const updates = (watches: readonly Watch[]) => watches.map(({ update }) => update);
  return { updates: updates(batch), finish: updates(late), watches: [...batch, ...late], goodSteps };
}

/** Checks one step after another of a run. */
export class HealthReader {
  private skipped = 0;

  constructor(private readonly health: Health) {}

  /** What to read with the losses of a step, behind its updates. */
  get tensors(): readonly Tensor[] {
    const { watches, goodSteps } = this.health;
    return [...watches.map(({ magnitudes }) => magnitudes), ...(goodSteps ? [goodSteps] : [])];
  }

  /**
   * What is wrong, if anything is. Steps must be checked in their order.
   *
   * @param values of `tensors`
   * @param updated whether an update of the parameters has just run
   */
  fault(losses: StepLosses, values: readonly ArrayLike<number>[], updated: boolean): string | undefined {
    const { watches, goodSteps } = this.health;
    const found = watches.flatMap(({ tensors }, w) =>
      tensors.map((tensor, i) => ({ tensor, most: values[w]![i]! })),
    );
    const lost = Number.isFinite(losses.loss) ? undefined : `the loss is ${losses.loss}`;
    const bad = found.filter(({ most }) => !Number.isFinite(most)).map(({ tensor }) => nameOf(tensor));
    const broken = bad.length > 0 ? `${several(bad)} not finite` : undefined;
    if (lost || broken) return [lost, broken].filter(Boolean).join(', and ');
    const far = found.find(({ tensor, most }) => most > limitOf(tensor));
    if (far) {
      const what = isVariance(far.tensor) ? '(a variance) ' : '';
      return `${nameOf(far.tensor)} ${what}has left its range: it has grown to ${far.most.toPrecision(2)}`;
    }
    if (!goodSteps || !updated) return undefined;
    this.skipped = values[watches.length]![0] === 0 ? this.skipped + 1 : 0;
    if (this.skipped < MOST_SKIPPED) return undefined;
    return `none of the last ${MOST_SKIPPED} steps had finite gradients, so none changed anything`;
  }
}

const isVariance = ({ label }: Tensor) => label.endsWith('.var');
const limitOf = (tensor: Tensor) => (isVariance(tensor) ? LARGEST_VARIANCE : LARGEST);

/** By the labels of variables: "projection.fc1.weight", "vision.0", or a weight's own name. */
function nameOf({ label }: Tensor): string {
  if (label.startsWith('projection.')) return `the projection's ${label.slice('projection.'.length)}`;
  return /^(text|vision)\.\d+$/.test(label) ? `the prompt ${label}` : `the weight ${label}`;
}

/** "a is", "a and b are", "a and 4 others are". */
function several([first, ...rest]: readonly string[]): string {
  if (rest.length === 0) return `${first} is`;
  return `${first} and ${rest.length === 1 ? rest[0] : `${rest.length} others`} are`;
}
