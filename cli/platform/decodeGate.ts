/** Bounds the memory of decoded images in all threads together: several small ones, or one that is larger than the limit. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes of images in memory at the same time. */
const LIMIT = 256 * 2 ** 20;
/** Milliseconds between polls. Only images of many megabytes ever wait, and they take far longer to decode. */
const PATIENCE = 5;
/** The unit of the counter, which has 32 bits. */
const KIB = 1024;

/** A semaphore over bytes, shared by all threads. */
export class DecodeGate {
  private readonly counter: Int32Array;
  private readonly limit: number;
  private last: Promise<void> = Promise.resolve();

  /**
   * @param memory the counter, shared by all threads
   * @param limit bytes
   */
  constructor(
    readonly memory = new SharedArrayBuffer(4),
    limit = LIMIT,
  ) {
    this.counter = new Int32Array(memory);
    this.limit = Math.floor(limit / KIB);
  }

  /** Bytes held now by all threads. */
  get used(): number {
    return Atomics.load(this.counter, 0) * KIB;
  }

  /** Runs `work` when `bytes` are free, or nobody holds any. Calls of one thread run in order. */
  async hold<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const need = Math.ceil(bytes / KIB);
    const turn = this.last.then(() => this.take(need));
    this.last = turn;
    await turn;
    try {
      return await work();
    } finally {
      Atomics.sub(this.counter, 0, need);
    }
  }

  private async take(need: number): Promise<void> {
    for (;;) {
      const used = Atomics.load(this.counter, 0);
      if (used > 0 && used + need > this.limit) await sleep(PATIENCE);
      else if (Atomics.compareExchange(this.counter, 0, used, used + need) === used) return;
    }
  }
}
