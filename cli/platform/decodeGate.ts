/** How much decoded images may take at a time, in all threads together: several small ones, or one that is larger than that. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes that are under way at once. */
const LIMIT = 256 * 2 ** 20;
/** Milliseconds between two looks at what others hold. Only images of many megabytes ever wait, and take far longer. */
const PATIENCE = 5;
/** Memory is counted in these, as the counter has 32 bits. */
const KIB = 1024;

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

  /** Bytes that are held now, by all threads. */
  get used(): number {
    return Atomics.load(this.counter, 0) * KIB;
  }

  /** Does `work` when `bytes` of memory are free, or nobody holds any. In the order in which a thread asks. */
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
