/** How fast a training loop is, and what it waited for. */
import { number, percent } from '../numbers.js';

/** Seconds of a stretch of training by what the loop did in them; they add up to `seconds`. */
export interface Waits {
  /** Waiting until the next images were decoded and cropped. */
  readonly decode: number;
  /** Recording, encoding and uploading on the main thread. */
  readonly host: number;
  /** Waiting for the device to be done with an earlier step. */
  readonly gpu: number;
}

/** A stretch of training: images and steps done, and the seconds it took. */
export interface Timing {
  readonly images: number;
  readonly steps: number;
  readonly seconds: number;
  readonly waits: Waits;
}

/** Where sums of timings begin. */
export const NO_TIME: Timing = { images: 0, steps: 0, seconds: 0, waits: { decode: 0, host: 0, gpu: 0 } };

/** Both stretches together. */
export const addTimings = (a: Timing, b: Timing): Timing => ({
  images: a.images + b.images,
  steps: a.steps + b.steps,
  seconds: a.seconds + b.seconds,
  waits: {
    decode: a.waits.decode + b.waits.decode,
    host: a.waits.host + b.waits.host,
    gpu: a.waits.gpu + b.waits.gpu,
  },
});

/** Divides the time of a loop: what is not spent in one of its waits is host time. */
export class StopWatch {
  private readonly started: number;
  private decode = 0;
  private gpu = 0;
  private images = 0;
  private steps = 0;

  /** @param now milliseconds from any moment on */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.started = now();
  }

  /** Counts the time until `promise` settles as spent waiting for images (`decode`) or the device (`gpu`). */
  async waiting<T>(what: 'decode' | 'gpu', promise: Promise<T>): Promise<T> {
    const before = this.now();
    try {
      return await promise;
    } finally {
      this[what] += this.now() - before;
    }
  }

  /** Counts a step that used `images` images. */
  step(images: number): void {
    this.steps++;
    this.images += images;
  }

  /** All since the watch was made. */
  read(): Timing {
    const total = this.now() - this.started;
    const { images, steps, decode, gpu } = this;
    const waits = { decode: decode / 1000, host: (total - decode - gpu) / 1000, gpu: gpu / 1000 };
    return { images, steps, seconds: total / 1000, waits };
  }
}

/** What a step computes, and the most that the adapter was measured to do, in FLOPs and FLOP/s. */
export interface Work {
  readonly flops: number;
  readonly peak: number;
}

/**
 * A timing as it is logged. `peakShare`: of the adapter's measured float32 peak (adapterPeak.ts); absent where the loop does more
 * than that, on tensor cores for instance.
 */
export function timingRecord({ images, steps, seconds, waits }: Timing, { flops, peak }: Work) {
  const rounded = (value: number) => Number(value.toPrecision(4));
  const rate = (steps * flops) / seconds;
  return {
    images,
    steps,
    seconds: rounded(seconds),
    imagesPerSecond: rounded(images / seconds),
    msPerStep: rounded((1000 * seconds) / steps),
    gflops: rounded(rate / 1e9),
    ...(rate <= peak && { peakShare: rounded(rate / peak) }),
    waits: {
      decode: rounded(waits.decode / seconds),
      host: rounded(waits.host / seconds),
      gpu: rounded(waits.gpu / seconds),
    },
  };
}

/** A timing as a line for people. */
export function timingLine(timing: Timing, work: Work): string {
  const { imagesPerSecond, msPerStep, gflops, peakShare, waits } = timingRecord(timing, work);
  const rate = (value: number) => number(value, 2);
  const share = (value: number) => percent(value, value < 0.1 ? 1 : 0);
  return (
    `${rate(imagesPerSecond)} images/s, ${rate(msPerStep)} ms a step, ${rate(gflops)} GFLOP/s` +
    `${peakShare === undefined ? '' : ` (${share(peakShare)} of this adapter's measured float32 peak of ${rate(work.peak / 1e9)})`}; ` +
    `time: GPU ${share(waits.gpu)}, images ${share(waits.decode)}, host ${share(waits.host)}`
  );
}
