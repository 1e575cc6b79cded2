import { describe, expect, it } from 'vitest';
import { addTimings, StopWatch, timingLine, timingRecord } from '../../../models/runs/timing.js';

/** A clock that stands still but when told. */
function clock() {
  let time = 1000;
  /** Passes when awaited, not when called. */
  const later = async (milliseconds: number) => {
    await Promise.resolve();
    time += milliseconds;
  };
  return { now: () => time, later };
}

describe('StopWatch', () => {
  it('divides the time by what was waited for; the rest is host time', async () => {
    const { now, later } = clock();
    const watch = new StopWatch(now);
    await watch.waiting('decode', later(100));
    await later(50);
    watch.step(8);
    await watch.waiting('gpu', later(600));
    await watch.waiting('decode', later(50));
    watch.step(8);
    expect(watch.read()).toEqual({
      images: 16,
      steps: 2,
      seconds: 0.8,
      waits: { decode: 0.15, host: 0.05, gpu: 0.6 },
    });
  });
});

describe('a timing', () => {
  const timing = { images: 100, steps: 10, seconds: 2, waits: { decode: 0.5, host: 0.1, gpu: 1.4 } };
  const work = { flops: 4e9, peak: 80e9 };

  it('is logged as rates and shares', () => {
    expect(timingRecord(timing, work)).toEqual({
      images: 100,
      steps: 10,
      seconds: 2,
      imagesPerSecond: 50,
      msPerStep: 200,
      gflops: 20,
      peakShare: 0.25,
      waits: { decode: 0.25, host: 0.05, gpu: 0.7 },
    });
  });

  it('is a line for people', () => {
    expect(timingLine(timing, work)).toBe(
      "50.0 images/s, 200 ms a step, 20.0 GFLOP/s (25 % of this adapter's measured float32 peak of 80.0); " +
        'time: GPU 70 %, images 25 %, host 5.0 %',
    );
  });

  it('adds up over epochs', () => {
    expect(addTimings(timing, timing)).toEqual({
      images: 200,
      steps: 20,
      seconds: 4,
      waits: { decode: 1, host: 0.2, gpu: 2.8 },
    });
  });
});
