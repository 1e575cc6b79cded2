/**
 * The distillation losses of stage 2 (paper, Table 4). An entry here is all that a loss is: settings, defaults, checks, `--help` and
 * the step read it.
 */
import {
  add,
  klSoftmax,
  l1Mean,
  mseMean,
  multiply,
  scalar,
  type Tensor,
  UserError,
} from '../../../engine/index.js';

/** What of the two models a loss compares: logits `[batch, classes]`, or unit image features `[batch, embed]`. */
export type Compared = 'logits' | 'features';

/** What a loss is to settings, checks, help and the step. */
export interface DistillationLossEntry {
  readonly compares: Compared;
  /** Default weight. Those of features start with gradients as large as KL's at 1000 classes (docs/ablations.md). */
  readonly weight: number;
  /** For `--help`. */
  readonly help: string;
  /** How far the student is from the teacher, `[1]`. */
  readonly distance: (teacher: Tensor, student: Tensor, temperature: number) => Tensor;
}

/** Ours, by the name that `kdLoss` takes. */
const OWN_LOSSES = {
  // `T² * sum over b, c of p (log p - log r) / (B * C)`, with p and r the softmax of `teacher / T` and `student / T`.
  kl: {
    compares: 'logits',
    weight: 1000,
    help: "KL divergence from the teacher's probabilities",
    distance: klSoftmax,
  },
  'symmetric-kl': {
    compares: 'logits',
    weight: 1000,
    help: 'the mean of both KL divergences',
    distance: (p, r, t) => multiply(add(klSoftmax(p, r, t), klSoftmax(r, p, t)), scalar(0.5)),
  },
  l1: {
    compares: 'features',
    weight: 1000,
    help: 'mean absolute difference',
    distance: (v, u) => l1Mean(u, v),
  },
  mse: {
    compares: 'features',
    weight: 10_000,
    help: 'mean squared difference',
    distance: (v, u) => mseMean(u, v),
  },
} as const satisfies Readonly<Record<string, DistillationLossEntry>>;

/** The name of a distillation loss. */
export type DistillationLoss = keyof typeof OWN_LOSSES;

/** The loss where none is chosen, the paper's. */
export const DEFAULT_LOSS: DistillationLoss = 'kl';

const losses = new Map<string, DistillationLossEntry>(Object.entries(OWN_LOSSES));

/**
 * Adds a loss, so that `kdLoss` in the settings of stage 2 accepts it like a built-in one. Only a program that has added it too
 * can continue a run that used it; the student of such a run does not need it.
 *
 * @param name in lower case, such as `cosine`
 * @returns the name, as settings have it
 * @throws UserError when there is another loss of this name
 */
export function defineDistillationLoss(name: string, loss: DistillationLossEntry): DistillationLoss {
  const known = losses.get(name);
  if (known && known !== loss)
    throw new UserError(`there is another distillation loss named ${name}`, 'choose another name');
  losses.set(name, loss);
  return name as DistillationLoss;
}

/** All names, or those of losses that compare `compared`. */
export const lossNames = (compared?: Compared): DistillationLoss[] =>
  [...losses]
    .filter(([, { compares }]) => compared === undefined || compares === compared)
    .map(([name]) => name as DistillationLoss);

/** The loss called `name`. */
export const lossOf = (name: DistillationLoss): DistillationLossEntry => losses.get(name)!;

/** What each loss is, for `--help`. */
export function lossHelp(): string {
  const described = (compared: Compared) =>
    lossNames(compared)
      .map((name) => `${name} (${lossOf(name).help})`)
      .join(', ');
  return `${described('logits')} on logits; ${described('features')} on unit image features`;
}

/** The default weights in words: the usual one, then the losses that have another. */
export function lossWeightHelp(): string {
  const { weight: usual } = lossOf(DEFAULT_LOSS);
  const others = [...losses].filter(([, { weight }]) => weight !== usual);
  return [String(usual), ...others.map(([name, { weight }]) => `${name}: ${weight}`)].join('; ');
}

/** What of a model's step losses compare. */
export interface Comparable {
  readonly features: Tensor;
  readonly logits: Tensor;
}

/** How far the student is from the teacher by the loss called `name`, `[1]`. */
export function distillationLoss(
  name: DistillationLoss,
  teacher: Comparable,
  student: Comparable,
  temperature: number,
): Tensor {
  const { compares, distance } = lossOf(name);
  return distance(teacher[compares], student[compares], temperature);
}
