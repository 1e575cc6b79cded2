/** The device is destroyed at random calls of a run, up to four times: the same bits, or a clear end that can be resumed. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import { DeviceLostError, type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import type { Job } from '../../models/job.js';
import { Random } from '../../models/random.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import { cases, type Outcome, type TortureOptions } from './kit.js';
import { difference, results } from './runs.js';
import { ALWAYS, everyKind, type TinyRun } from './tinyRuns.js';

const MOST_LOSSES = 3;

/** Calls `before` ahead of every call that makes the device do something. */
function watchCalls({ device }: Gpu, before: () => void): void {
  const watch = (target: object, names: readonly string[]) => {
    const methods = target as Record<string, (...args: unknown[]) => unknown>;
    for (const name of names) {
      const original = methods[name]!.bind(target);
      methods[name] = (...args) => {
        before();
        return original(...args);
      };
    }
  };
  watch(device, ['createBuffer', 'createBindGroup', 'createComputePipelineAsync', 'createCommandEncoder']);
  watch(device.queue, ['submit', 'writeBuffer']);
}

/** A job whose device is destroyed ahead of the calls `moments`, each counted from the one before. */
async function makeJob(moments: readonly number[]) {
  const left = [...moments];
  let calls = 0;
  let losses = 0;
  let gpu: Gpu;
  const open = async () => {
    gpu = await openGpu();
    const mine = gpu;
    watchCalls(mine, () => {
      if (mine !== gpu || calls++ !== left[0]) return;
      left.shift();
      calls = 0;
      losses++;
      mine.device.destroy();
    });
  };
  await open();
  const job: Job = {
    get gpu() {
      return gpu;
    },
    reopen: async () => {
      gpu.destroy();
      await open();
    },
    platform: nodePlatform,
    begin: () => ({ update: () => {}, end: () => {} }),
    note: () => {},
  };
  return { job, calls: () => calls, losses: () => losses, close: () => gpu.destroy() };
}

export async function device(folder: string, options: TortureOptions): Promise<Outcome> {
  const cache = join(folder, 'cache');
  const variants = everyKind(await makeTinyWorld(folder), join(folder, 'teacher'), cache);
  const known = new Map<TinyRun, { results: Map<string, string>; calls: number }>();
  const wholeOf = async (variant: TinyRun, out: string) => {
    const there = known.get(variant);
    if (there) return there;
    const { job, calls, close } = await makeJob([]);
    await variant.run(job, out, {});
    close();
    rmSync(cache, { recursive: true, force: true });
    const whole = { results: results(out), calls: calls() };
    known.set(variant, whole);
    return whole;
  };
  // Students learn from it.
  await wholeOf(variants[0]!, join(folder, 'teacher'));
  let lost = 0;
  const outcome = await cases(options, async (seed) => {
    const random = Random.of(seed, 'device');
    const variant = variants[seed % variants.length]!;
    const whole = await wholeOf(variant, join(folder, variant.name));
    const out = join(folder, `seed-${seed}`);
    rmSync(cache, { recursive: true, force: true });
    const moments = Array.from({ length: 1 + random.below(MOST_LOSSES + 1) }, () =>
      random.below(whole.calls),
    );
    const tale = (what: string) => `${variant.name}, lost at calls ${moments.join(', ')}: ${what}`;
    const checkpointMinutes = random.below(2) === 0 ? ALWAYS : undefined;
    const { job, losses, close } = await makeJob(moments);
    let error: unknown;
    try {
      await variant.run(job, out, { checkpointMinutes });
    } catch (thrown) {
      error = thrown;
    }
    lost += losses();
    if (error !== undefined) {
      if (!(error instanceof DeviceLostError) || losses() <= MOST_LOSSES)
        return tale(`after ${losses()} losses: ${(error as Error).stack ?? error}`);
      const again = await makeJob([]);
      await variant.run(again.job, out, { resume: true });
      again.close();
    }
    close();
    const other = difference(results(out), whole.results);
    if (other) return tale(other);
    rmSync(out, { recursive: true, force: true });
    return undefined;
  });
  return { ...outcome, remark: `${lost} losses` };
}
