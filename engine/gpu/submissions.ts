/**
 * Splits a step into submissions of bounded time, as watchdogs reset a device that is busy with one submission for seconds.
 * Never waits for the device: times come from reads that happen anyway.
 */
import type { Launch } from './launch.js';

/** What a slow GPU does in a millisecond: assumed until a run has been timed. */
const SLOW = { flops: 5e7, bytes: 1e7 };
/** Dispatches that neither compute nor move much take this long, in milliseconds. */
const LEAST = 0.01;
/** A cut is made anew when the estimate of a run has changed by more than this factor. */
const DRIFT = 1.25;

/** Milliseconds of a launch on a slow GPU: what counts is its share in a run. */
const slowTime = ({ flops = 0, bytes = 0 }: Launch): number =>
  Math.max(LEAST, flops / SLOW.flops, bytes / SLOW.bytes);

/** Splits the launches of a plan into submissions. */
export class Pieces {
  private readonly times: readonly number[];
  private readonly total: number;
  /** Estimate of a run, and the one that the cut was made with. */
  private estimate: number;
  private cut?: { readonly bound: number; readonly estimate: number; readonly lists: readonly Launch[][] };
  /** When runs were queued that no read has seen the end of, and when the last such read ended. */
  private queued: number[] = [];
  private ended = 0;

  /** @param now a clock in milliseconds, for tests */
  constructor(
    private readonly launches: readonly Launch[],
    private readonly now: () => number = () => performance.now(),
  ) {
    this.times = launches.map(slowTime);
    this.total = this.times.reduce((sum, time) => sum + time, 0);
    this.estimate = this.total;
  }

  /** The launches in order, in lists that take at most `bound` milliseconds each, or consist of one launch; for a run. */
  forRun(bound: number): readonly (readonly Launch[])[] {
    this.queued.push(this.now());
    // A plan that is never read has nothing to learn from.
    if (this.queued.length > 64) this.queued = this.queued.slice(-1);
    const { cut, estimate } = this;
    if (cut?.bound === bound && within(cut.estimate, estimate)) return cut.lists;
    const lists = this.make(bound);
    this.cut = { bound, estimate, lists };
    return lists;
  }

  /** For a read that is queued now: to be called when it has arrived. */
  reading(): (() => void) | undefined {
    const { queued } = this;
    if (queued.length === 0) return undefined;
    this.queued = [];
    return () => {
      const now = this.now();
      const measured = (now - Math.max(queued[0]!, this.ended)) / queued.length;
      this.ended = now;
      this.estimate = this.estimate === this.total ? measured : (this.estimate + measured) / 2;
    };
  }

  private make(bound: number): Launch[][] {
    const scale = this.estimate / this.total;
    const lists: Launch[][] = [];
    let time = Number.POSITIVE_INFINITY;
    this.launches.forEach((launch, i) => {
      const more = this.times[i]! * scale;
      if (time + more > bound) {
        lists.push([]);
        time = 0;
      }
      lists.at(-1)!.push(launch);
      time += more;
    });
    return lists;
  }
}

const within = (a: number, b: number): boolean => a <= DRIFT * b && b <= DRIFT * a;
