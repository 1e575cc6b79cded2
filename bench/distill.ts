/** `bench distill`: whole runs of stage 2, with and without decoding threads and with a teacher cache, empty and full. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emojiClipFolder } from '../cli/demo/emoji.js';
import { defaultWorkers, openImagePool } from '../cli/platform/imagePool.js';
import { nodePlatform } from '../cli/platform/node.js';
import { counted, milliseconds } from '../cli/terminal/timings.js';
import type { Gpu } from '../engine/gpu/gpu.js';
import { alternate, type Runner, type Timing } from '../engine/gpu/measure.js';
import type { Job } from '../models/job.js';
import { number, percent } from '../models/numbers.js';
import type { Platform } from '../models/platform.js';
import {
  parseSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from '../models/promptkd/shared/settings.js';
import { runPlainTeacher } from '../models/promptkd/stage1/plainClip.js';
import { runStudent } from '../models/promptkd/stage2/run.js';
import type { timingRecord } from '../models/runs/timing.js';
import { type Flags, withReport } from './command.js';
import { drawPhotos, PHOTOS } from './photos.js';
import { factor, markdownTable } from './table.js';

/** A line of a run's `timing.jsonl`. */
type EpochTiming = ReturnType<typeof timingRecord>;

/** Times of one kind of run. */
export interface DistillRow {
  readonly run: string;
  readonly images: string;
  /** Worker threads; 0: the main thread decodes. */
  readonly workers: number;
  /** Images that a run trains on, over all epochs. */
  readonly seen: number;
  /**
   * Time of the training loop as a run logs it. It excludes loading the student, compiling its step, and opening or writing the
   * cache; with an empty cache it includes loading and compiling the teacher's encoder.
   */
  readonly timing: Timing;
  /** Shares of the time of the last run. */
  readonly waits: EpochTiming['waits'];
  /** Loss of the last step. */
  readonly loss: number;
}

/** A kind of run. Runs with the same `like` must have the same losses. */
interface Variant {
  readonly run: string;
  readonly like: string;
  readonly workers: number;
  /** Folder of the teacher cache; undefined: no cache. */
  readonly cache?: (run: string) => string;
}

const CLASSES = 4;
const BATCH = 8;
const TRAINING = { epochs: 2, batch: BATCH, visionDepth: 1 } as const;

/** Runs `bench distill` and returns its report. */
export const runDistill = (flags: Flags): Promise<string> =>
  withReport('distill', flags, (gpu) => measureDistill(gpu, flags), renderDistill);

/** Formats the rows as a table. */
const renderDistill = (rows: readonly DistillRow[]): string =>
  markdownTable({
    head: [
      'run',
      'images',
      'workers',
      'seen',
      'ms',
      'images/s',
      'times the first',
      'waits for GPU',
      'for images',
      'host',
      'last loss',
      'samples x runs',
    ],
    text: 2,
    rows: rows.map(({ run, images, workers, seen, timing, waits, loss }) => [
      run,
      images,
      String(workers),
      String(seen),
      milliseconds(timing),
      number((1000 * seen) / timing.median),
      factor(rows[0]!.timing.median / timing.median),
      percent(waits.gpu),
      percent(waits.decode),
      percent(waits.host),
      String(loss),
      counted(timing),
    ]),
  });

async function measureDistill(gpu: Gpu, { quick, repeats }: Flags): Promise<DistillRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-bench-'));
  try {
    const data = join(folder, 'data');
    const each = quick ? BATCH / CLASSES : 32;
    for (let i = 0; i < CLASSES; i++) await drawPhotos(join(data, 'train', `class ${i}`), each, i * each);
    const teacher = join(folder, 'teacher');
    const plain = { method: 'clip', clip: join(emojiClipFolder(), 'teacher'), data } as const;
    await runPlainTeacher(
      jobOf(gpu, nodePlatform),
      parseSettings(TeacherSettingsSchema, plain, 'the bench') as TeacherSettings,
      teacher,
      { resume: false },
    );
    const workers = Math.max(1, defaultWorkers(gpu.capabilities.software));
    const variants: Variant[] = [
      { run: 'images decoded by the main thread', like: 'step', workers: 0 },
      { run: 'images decoded by workers', like: 'step', workers },
      { run: 'teacher cache, empty', like: 'cache', workers, cache: (run) => join(run, 'features') },
      // The warm-up runs fill it.
      { run: 'teacher cache, full', like: 'cache', workers, cache: () => join(folder, 'features') },
    ];
    const pools = variants.map((variant) => openImagePool(nodePlatform, variant.workers));
    const last: Ran[] = [];
    let runs = 0;
    const runners = variants.map(
      ({ cache }, i): Runner => ({
        async run(count) {
          let total = 0;
          for (let n = 0; n < count; n++) {
            const run = join(folder, `run ${runs++}`);
            const settings = { clip: join(emojiClipFolder(), 'student'), teacher, data, ...TRAINING };
            const teacherCache = cache?.(run);
            await runStudent(
              jobOf(gpu, pools[i]!.platform),
              parseSettings(StudentSettingsSchema, { ...settings, teacherCache }, 'the bench'),
              run,
            );
            last[i] = read(run);
            total += last[i].milliseconds;
            rmSync(run, { recursive: true });
          }
          return total;
        },
      }),
    );
    const timings = await alternate(runners, { repeats, leastMs: 0 });
    await Promise.all(pools.map(({ close }) => close()));
    return variants.map(({ run, like, workers }, i) => {
      const { waits, losses, seen } = last[i]!;
      const same = last[variants.findIndex((other) => other.like === like)]!.losses;
      // A time only counts if the results are right.
      if (losses.join() !== same.join()) throw new Error(`"${run}" has other losses: ${losses} and ${same}`);
      return { run, images: PHOTOS, workers, seen, timing: timings[i]!, waits, loss: losses.at(-1)! };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const jobOf = (gpu: Gpu, platform: Platform): Job => ({
  gpu,
  platform,
  begin: () => ({ update: () => {}, end: () => {} }),
  note: () => {},
});

interface Ran {
  readonly milliseconds: number;
  readonly seen: number;
  readonly waits: EpochTiming['waits'];
  readonly losses: readonly number[];
}

/** Reads times and losses from the logs of a run. */
function read(run: string): Ran {
  const records = <T>(name: string) =>
    readFileSync(join(run, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
  const epochs = records<EpochTiming>('timing.jsonl');
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const share = (wait: keyof EpochTiming['waits']) =>
    epochs.reduce((sum, epoch) => sum + epoch.waits[wait] * epoch.seconds, 0) / seconds;
  return {
    milliseconds: 1000 * seconds,
    seen: epochs.reduce((sum, { images }) => sum + images, 0),
    waits: { gpu: share('gpu'), decode: share('decode'), host: share('host') },
    losses: records<{ loss: number }>('metrics.jsonl').map(({ loss }) => loss),
  };
}
