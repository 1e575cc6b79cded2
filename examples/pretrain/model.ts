/**
 * A CLIP whose weights are parameters, and the planned step that trains all of them:
 *
 *     u, w = unit image and text features [batch, embed];  q = exp(s) u w^T + excluded
 *     loss = (crossEntropy(q, own) + crossEntropy(q^T, own)) / 2,  own = 0, 1, 2, ...
 *
 * (Radford et al., arXiv 2103.00020, Figure 3). `excluded` is a large negative number where caption j is true of image i
 * although it is another pair's, and 0 elsewhere.
 */
import {
  adamW,
  add,
  clampVariable,
  clipFactor,
  constant,
  crossEntropy,
  embedding,
  exp,
  grad,
  input,
  l2Normalize,
  matmul,
  multiply,
  type Optimiser,
  scalar,
  type Tensor,
  transpose,
  variable,
} from '../../engine/index.js';
import { type ClipConfig, expectedShapes } from '../../models/clip/config.js';
import { encodeText } from '../../models/clip/text.js';
import { encodeImages } from '../../models/clip/vision.js';
import { Weights } from '../../models/clip/weights.js';
import type { Random } from '../../models/random.js';

/** Logits are never scaled by more than this. */
const LARGEST_SCALE = 100;

/** Every weight of a CLIP as a variable with OpenAI's initial values (their model.py, `initialize_parameters`). */
export function initialWeights(config: ClipConfig, random: Random): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of expectedShapes(config)) {
    const size = shape.reduce((product, n) => product * n, 1);
    const deviation = initialDeviation(name, shape, config);
    const values = new Float32Array(size);
    if (name === 'logit_scale') values.fill(Math.log(1 / 0.07));
    else if (/ln_\w+\.weight$/.test(name)) values.fill(1);
    else if (deviation > 0) for (let i = 0; i < size; i++) values[i] = random.normal(0, deviation);
    weights.set(name, variable(values, shape, name));
  }
  return weights;
}

/** Standard deviation of a weight's initial values; 0 for biases. */
function initialDeviation(name: string, shape: readonly number[], config: ClipConfig): number {
  const { width, layers } = name.startsWith('visual.') ? config.vision : config.text;
  if (name.endsWith('bias')) return 0;
  if (name === 'token_embedding.weight') return 0.02;
  if (name === 'positional_embedding') return 0.01;
  if (name === 'visual.conv1.weight') return (shape[1]! * shape[2]! * shape[3]!) ** -0.5;
  if (/(out_proj|c_proj)\.weight$/.test(name)) return (2 * layers * width) ** -0.5;
  if (name.endsWith('c_fc.weight')) return (2 * width) ** -0.5;
  return width ** -0.5;
}

/** Unit features of images `[batch, 3, R, R]`, as `[batch, embed]`. */
export const imageFeatures = (weights: Weights, config: ClipConfig, images: Tensor): Tensor =>
  l2Normalize(encodeImages(weights, config, images));

/** Unit features of int32 tokens `[count, length]` that end at `endRows` (rows of `[count * length]`). */
export const textFeatures = (weights: Weights, config: ClipConfig, tokens: Tensor, endRows: Tensor): Tensor =>
  l2Normalize(encodeText(weights, config, embedding(weights.get('token_embedding.weight'), tokens), endRows));

/** Settings that the graph of a step depends on. */
export interface StepOptions {
  readonly batch: number;
  /** Tokens of a caption, start and end included. */
  readonly length: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
}

/** The graph of a training step: what the host writes before it, and what it gives. */
export interface StepGraph {
  /** `[batch, 3, R, R]`, normalised. */
  readonly images: Tensor;
  /** Int32 `[batch, length]` and `[batch]`. */
  readonly tokens: Tensor;
  readonly endRows: Tensor;
  /** `[batch, batch]`: added to the logits of image i and caption j. */
  readonly excluded: Tensor;
  /** `[1]`: the learning rate. */
  readonly rate: Tensor;
  readonly loss: Tensor;
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly optimiser: Optimiser;
}

/** Records the step; nothing is computed and no device is needed. */
export function stepGraph(
  named: ReadonlyMap<string, Tensor>,
  config: ClipConfig,
  options: StepOptions,
): StepGraph {
  const { batch, length, weightDecay, clipNorm } = options;
  const { resolution } = config.vision;
  const weights = new Weights(named);
  const images = input([batch, 3, resolution, resolution], 'images');
  const tokens = input([batch, length], 'tokens', 'i32');
  const endRows = input([batch], 'end-of-text rows', 'i32');
  const excluded = input([batch, batch], 'excluded');
  const rate = input([1], 'learning rate');

  const u = imageFeatures(weights, config, images);
  const w = textFeatures(weights, config, tokens, endRows);
  const logitScale = weights.get('logit_scale');
  const cosines = matmul(u, w, { transposeB: true });
  const logits = add(multiply(cosines, exp(logitScale)), excluded);
  const own = constant(
    Int32Array.from({ length: batch }, (_, i) => i),
    [batch],
    'own caption',
  );
  const both = add(crossEntropy(logits, own), crossEntropy(transpose(logits), own));
  const loss = multiply(both, scalar(0.5));

  const parameters = [...named.values()];
  const gradients = grad(loss, parameters);
  const { updates, state } = adamW(parameters, gradients, rate, {
    beta2: 0.98,
    epsilon: 1e-6,
    weightDecay,
    // Gains, biases and the logit scale stay free.
    decays: ({ shape }) => shape.length > 1,
    factor: clipFactor(gradients, clipNorm),
  });
  const optimiser = { updates: [...updates, clampVariable(logitScale, Math.log(LARGEST_SCALE))], state };
  return { images, tokens, endRows, excluded, rate, loss, parameters, gradients, optimiser };
}
