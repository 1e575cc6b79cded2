/** The weights of a CLIP model as graph leaves, under their canonical (OpenAI) names. */
import type { Tensor } from '../../engine/index.js';
import type { Precision } from './precision.js';

/** The weights of a CLIP by name. */
export class Weights {
  /** @param activations dtype of the activations between matrices */
  constructor(
    private readonly tensors: ReadonlyMap<string, Tensor>,
    readonly activations: Precision = 'f32',
  ) {}

  /**
   * The weight called `name`. Checkpoints are validated when they are read, so a miss is a bug.
   *
   * @throws Error when there is none
   */
  get(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no weight named ${name}`);
    return tensor;
  }

  /** Whether matrices are float16, so that gradients may pass through float16 too: on one adapter, if not on another. */
  get half(): boolean {
    return this.all().some((tensor) => tensor.dtype === 'f16');
  }

  /** Every weight that was loaded. */
  all(): Tensor[] {
    return [...this.tensors.values()];
  }
}
