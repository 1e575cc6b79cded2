/** Uploads weights from a file to a device. */
import { type Gpu, type HostData, release, type Tensor, write } from '../../engine/index.js';

/** A weight, and where its values come from. */
export interface WeightSource {
  readonly leaf: Tensor;
  read(): Promise<HostData>;
}

const MIB = 2 ** 20;
/** Bytes read ahead: files are read while other weights are converted. */
const READ_AHEAD = 32 * MIB;
/** Bytes allocated before the device confirms earlier ones: a confirmation takes a round trip. */
const UNCONFIRMED = 64 * MIB;

/**
 * Uploads weights in their order. When it fails, none of them stays on the device.
 *
 * @param onProgress called after each
 * @throws UserError when a file cannot be read, or when memory does not suffice, naming the weight
 */
export async function uploadWeights(
  gpu: Gpu,
  sources: readonly WeightSource[],
  onProgress: (done: number) => void = () => {},
): Promise<void> {
  const reads = new Queue<HostData>();
  const answers = new Queue<void>();
  try {
    let begun = 0;
    for (const [i, { leaf }] of sources.entries()) {
      for (; begun < sources.length; begun++) {
        const { leaf, read } = sources[begun]!;
        if (begun > i && reads.bytes + leaf.bytes > READ_AHEAD) break;
        reads.push(leaf.bytes, read());
      }
      const data = await reads.shift();
      answers.push(
        leaf.bytes,
        gpu.scoped(`the weight ${leaf.label}`, () => write(gpu, leaf, data)),
      );
      while (answers.bytes > UNCONFIRMED) await answers.shift();
      onProgress(i + 1);
    }
    while (answers.bytes > 0) await answers.shift();
  } catch (error) {
    await Promise.all([reads.settle(), answers.settle()]);
    for (const { leaf } of sources) release(gpu, leaf);
    throw error;
  }
}

/** A first-in, first-out queue of promises with their sizes in bytes. */
class Queue<T> {
  private readonly waiting: { readonly bytes: number; readonly promise: Promise<T> }[] = [];
  bytes = 0;

  push(bytes: number, promise: Promise<T>): void {
    // Awaited later; until then a failure must not be an unhandled rejection.
    promise.catch(() => undefined);
    this.waiting.push({ bytes, promise });
    this.bytes += bytes;
  }

  async shift(): Promise<T> {
    const { bytes, promise } = this.waiting.shift()!;
    try {
      return await promise;
    } finally {
      this.bytes -= bytes;
    }
  }

  async settle(): Promise<void> {
    await Promise.allSettled(this.waiting.map(({ promise }) => promise));
  }
}
