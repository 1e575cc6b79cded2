/** The weights of a CLIP model as graph leaves, under their canonical (OpenAI) names. */
import type { Tensor } from '../../engine/tensor.js';
import { type Activations, activationsUnder } from './precision.js';

export class Weights {
  /** @param activations how what is computed from the weights is stored */
  constructor(
    private readonly tensors: ReadonlyMap<string, Tensor>,
    readonly activations: Activations = activationsUnder('f32'),
  ) {}

  /** The weight called `name`. Checkpoints are validated when they are read, so a miss is a bug. */
  get(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no weight named ${name}`);
    return tensor;
  }

  /** Whether gradients pass through float16. */
  get half(): boolean {
    return this.activations.kept === 'f16';
  }

  all(): Tensor[] {
    return [...this.tensors.values()];
  }
}
