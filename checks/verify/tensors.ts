/** Reading the tensors of a reference folder by name. */
import { UserError } from '../../engine/index.js';
import { openSafetensors } from '../../formats/safetensors.js';
import type { Checkpoint } from '../../formats/tensors.js';
import type { Platform } from '../../models/platform.js';

/** The tensors of one reference file. */
export class ReferenceTensors {
  private constructor(private readonly file: Checkpoint) {}

  /**
   * Opens a safetensors file.
   *
   * @throws UserError when it is missing or damaged
   */
  static async open(platform: Platform, path: string): Promise<ReferenceTensors> {
    return new ReferenceTensors(await openSafetensors(platform, path));
  }

  /** Whether there is a tensor called `name`. */
  has(name: string): boolean {
    return this.file.tensors.has(name);
  }

  /** Names of all tensors. */
  names(): string[] {
    return [...this.file.tensors.keys()];
  }

  /**
   * Sizes of the axes of a tensor.
   *
   * @throws UserError when there is no such tensor
   */
  shape(name: string): readonly number[] {
    return this.find(name).shape;
  }

  /**
   * The values of a tensor as float32, row-major.
   *
   * @throws UserError when there is no such tensor, or a value is infinite or NaN
   */
  floats(name: string): Promise<Float32Array> {
    return this.find(name).read();
  }

  /**
   * The values of an integer tensor as int32, row-major.
   *
   * @throws UserError when there is no such tensor, or it holds no integers
   */
  integers(name: string): Promise<Int32Array> {
    return this.find(name).readInts();
  }

  /** `prefix.0`, `prefix.1`, ... in order. */
  async list(prefix: string): Promise<Float32Array[]> {
    const result: Float32Array[] = [];
    while (this.has(`${prefix}.${result.length}`))
      result.push(await this.floats(`${prefix}.${result.length}`));
    return result;
  }

  /** Every tensor below `prefix.`, by the rest of its name. */
  async group(prefix: string): Promise<Map<string, Float32Array>> {
    const result = new Map<string, Float32Array>();
    for (const name of this.names())
      if (name.startsWith(`${prefix}.`)) result.set(name.slice(prefix.length + 1), await this.floats(name));
    return result;
  }

  /** The rows of an int32 tensor `[..., length]` as sequences. */
  async sequences(name: string): Promise<Int32Array[]> {
    const values = await this.integers(name);
    const length = this.shape(name).at(-1)!;
    return Array.from({ length: values.length / length }, (_, i) =>
      values.subarray(i * length, (i + 1) * length),
    );
  }

  private find(name: string) {
    const tensor = this.file.tensors.get(name);
    if (!tensor)
      throw new UserError(`${this.file.path}: tensor ${name} is missing`, 'use a complete reference folder');
    return tensor;
  }
}
