/** CLIPs without data: enough to record graphs, plan them and compile their kernels before any weights are there. */
import { type Capabilities, input, type PlanRequest, type Tensor } from '../../engine/index.js';
import { type ClipConfig, expectedShapes } from './config.js';
import type { ClipGraph } from './model.js';
import { activationDtype, type Precision, weightLeaf } from './precision.js';
import { encodeText } from './text.js';
import { Weights } from './weights.js';

/** How a model without data is stored. */
export interface ShapeOnlyOptions {
  /** Weights are variables, stored as float32 (default: constants). */
  readonly trainable?: boolean;
  /** Of frozen matrices (default f32). */
  readonly precision?: Precision;
  /** Of the adapter, which decides how activations are stored (default: one without tensor cores). */
  readonly capabilities?: Capabilities;
}

/** A CLIP of this architecture whose weights have shapes and no values. */
export function shapeOnlyModel(
  config: ClipConfig,
  { trainable = false, precision = 'f32', capabilities }: ShapeOnlyOptions = {},
): ClipGraph {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of expectedShapes(config))
    tensors.set(name, weightLeaf(name, shape, precision, trainable));
  const activations = activationDtype(trainable ? 'f32' : precision, capabilities);
  return { config, weights: new Weights(tensors, activations), logitScale: 100 };
}

/** The text encoder over `count` prompts of `length` tokens, with `prompts` `[n, width]` a depth, as a request without data. */
export function textRequest(
  config: ClipConfig,
  { count, length }: { readonly count: number; readonly length: number },
  prompts: readonly Tensor[] = [],
  options: ShapeOnlyOptions = {},
): PlanRequest {
  const embedded = input([count, length, config.text.width], 'embedded tokens');
  const endRows = input([count], 'end-of-text rows', 'i32');
  return {
    outputs: [encodeText(shapeOnlyModel(config, options).weights, config, embedded, endRows, prompts)],
  };
}
