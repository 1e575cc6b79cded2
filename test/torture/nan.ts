/**
 * A number that is none (NaN, infinite) in a file that is read, or on the device in the midst of a run: named with its place, or
 * nowhere used. And rates that no training stands.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import type { Dataset } from '../../models/datasets/dataset.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import type { Job } from '../../models/job.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { exportRun } from '../../models/promptkd/use/exportRun.js';
import { Random } from '../../models/random.js';
import { unsealed } from '../helpers/safetensors.js';
import { makeTinyWorld, type TinyWorld } from '../helpers/tinyWorld.js';
import { cases, type Outcome, type TortureOptions } from './kit.js';
import { difference, results } from './runs.js';
import { type Header, spoilt, VALUES } from './spoilt.js';
import { ALWAYS, type TinyRun, tinyRuns } from './tinyRuns.js';

const STEPS = { teacher: 16, student: 24 };
/** Steps under way when one is reported, and the one that follows. */
const LATER = 4;
/** Leaves that hold whole numbers: bits of NaN are another number there. */
const INTEGERS = /label|index|token|row|place|end/i;

interface World extends TinyWorld {
  readonly folder: string;
  readonly dataset: Dataset;
  readonly teacherRun: TinyRun;
  readonly studentRun: TinyRun;
  /** Of undisturbed runs. */
  readonly whole: ReadonlyMap<TinyRun, Map<string, string>>;
}

export async function nan(folder: string, options: TortureOptions): Promise<Outcome> {
  const gpu = await openGpu();
  const buffers = watchLabels(gpu);
  const world = await makeWorld(folder, makeJob(gpu));
  const files = await filesOf(world, makeJob(gpu));
  const counts = { file: 0, device: 0, rate: 0, unused: 0 };
  const outcome = await cases(options, async (seed) => {
    const random = Random.of(seed, 'nan');
    releaseAll(gpu);
    const way = random.below(10);
    const kind = way < 5 ? 'file' : way < 9 ? 'device' : 'rate';
    counts[kind]++;
    if (kind === 'rate') return withRate(world, gpu, random);
    const tried =
      kind === 'file' ? await inFile(files, gpu, random) : await onDevice(world, gpu, buffers, random);
    if (tried === 'unused') counts.unused++;
    return tried === 'unused' || tried === 'named' ? undefined : tried;
  });
  gpu.destroy();
  const { file, device, rate, unused } = counts;
  return {
    ...outcome,
    remark: `${file} in files, ${device} on the device, ${rate} by the rate; ${unused} without any effect`,
  };
}

function makeJob(gpu: Gpu, { update = (_: number) => {}, note = (_: string) => {} } = {}): Job {
  return {
    gpu,
    platform: nodePlatform,
    begin: (label) => ({
      update: (done) => (label.startsWith('stage') ? update(done) : undefined),
      end: () => {},
    }),
    note,
  };
}

async function makeWorld(folder: string, job: Job): Promise<World> {
  const world = await makeTinyWorld(folder);
  const { teacher, student } = tinyRuns(world, join(folder, 'teacher'));
  const [teacherRun, studentRun] = [teacher('teacher', { epochs: 4 }), student('student', { epochs: 3 })];
  const whole = new Map<TinyRun, Map<string, string>>();
  for (const run of [teacherRun, studentRun]) {
    await run.run(job, join(folder, run.name));
    whole.set(run, results(join(folder, run.name)));
  }
  return {
    ...world,
    folder,
    dataset: await loadDataset(nodePlatform, world.data),
    teacherRun,
    studentRun,
    whole,
  };
}

interface File {
  readonly path: string;
  /** What depends on it, comparable. */
  effect(job: Job): Promise<unknown>;
}

async function filesOf(world: World, job: Job): Promise<(File & { readonly expected: string })[]> {
  const { folder, dataset, teacherRun, studentRun } = world;
  const at = (...parts: string[]) => join(folder, ...parts);
  const trained = (run: TinyRun) => async (job: Job) => {
    rmSync(at('again'), { recursive: true, force: true });
    await run.run(job, at('again'));
    return numbersOf(at('again'));
  };
  const classified = (run: string) => async (job: Job) => {
    const classifier = await Classifier.ofRun(job, run, dataset.classNames);
    try {
      return [...(await classifier.logits(job, dataset.test, 'nan')).rows];
    } finally {
      classifier.destroy();
    }
  };
  const exported = at('exported.safetensors');
  await exportRun(nodePlatform, at('student'), exported, { format: 'safetensors', merged: true });
  await expectStop(studentRun, job, at('stopped'));
  const checkpoints = readdirSync(at('stopped', 'checkpoints')).sort();
  const files: File[] = [
    { path: join(world.teacherClip, 'model.safetensors'), effect: trained(teacherRun) },
    { path: join(world.studentClip, 'model.safetensors'), effect: trained(studentRun) },
    { path: at('teacher', 'teacher.safetensors'), effect: trained(studentRun) },
    { path: at('teacher', 'teacher.safetensors'), effect: classified(at('teacher')) },
    { path: at('student', 'student.safetensors'), effect: classified(at('student')) },
    { path: at('student', 'class-vectors.safetensors'), effect: classified(at('student')) },
    { path: exported, effect: classified(exported) },
    {
      path: at('stopped', 'checkpoints', checkpoints.at(-1)!),
      effect: async (job) => {
        rmSync(at('resumed'), { recursive: true, force: true });
        cpSync(at('stopped'), at('resumed'), { recursive: true });
        // Falls back to the checkpoint before it, with a note.
        await studentRun.run(job, at('resumed'), { resume: true });
        return numbersOf(at('resumed'));
      },
    },
  ];
  const known = [];
  for (const file of files) {
    known.push({ ...file, expected: JSON.stringify(await file.effect(job)) });
    releaseAll(job.gpu);
  }
  return known;
}

/** What a run has come to without the hashes of what it came from, as a spoilt file has another one whatever of it is used. */
function numbersOf(out: string): unknown {
  return [...results(out)].map(([name, hex]) => {
    const bytes = Buffer.from(hex, 'hex');
    const start = name.endsWith('.safetensors') ? 8 + Number(bytes.readBigUInt64LE(0)) : 0;
    return [name, bytes.toString('hex', start)];
  });
}

/** Runs until its last update is under way. */
async function expectStop(run: TinyRun, { gpu }: Job, out: string): Promise<void> {
  const update = (done: number) => {
    if (done >= STEPS.student - 1) throw new Error('stopped');
  };
  const error: unknown = await run
    .run(makeJob(gpu, { update }), out, { checkpointMinutes: ALWAYS })
    .catch((e) => e);
  if ((error as Error).message !== 'stopped') throw error;
  releaseAll(gpu);
}

async function inFile(files: Awaited<ReturnType<typeof filesOf>>, gpu: Gpu, random: Random): Promise<string> {
  const { path, effect, expected } = files[random.below(files.length)]!;
  const before = readFileSync(path);
  const { file, tensor, place, value } = spoilt(unsealed(before), random);
  const tale = (what: string) => `${value} at [${place}] of ${tensor} in ${path}: ${what}`;
  const notes: string[] = [];
  writeFileSync(path, file);
  try {
    const found = JSON.stringify(await effect(makeJob(gpu, { note: (line) => notes.push(line) })));
    if (found !== expected) return tale('another result without a word');
    return notes.some((line) => line.includes(`"${tensor}"`)) ? 'named' : 'unused';
  } catch (error) {
    if (!(error instanceof UserError)) return tale(String((error as Error).stack ?? error));
    const { message } = error;
    const named = [tensor, `[${place}]`, nameOf(path)].every((part) => message.includes(part));
    return named ? 'named' : tale(`not named in "${message}"`);
  } finally {
    writeFileSync(path, before);
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Every storage buffer that is there, with its label. */
function watchLabels({ device }: Gpu): Set<GPUBuffer> {
  const buffers = new Set<GPUBuffer>();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    if ((descriptor.usage & 0x80) === 0) return buffer;
    const destroy = buffer.destroy.bind(buffer);
    buffers.add(buffer);
    buffer.destroy = () => {
      buffers.delete(buffer);
      return destroy();
    };
    return buffer;
  };
  return buffers;
}

/** Spoils a value of some tensor on the device between two steps. */
async function onDevice(world: World, gpu: Gpu, buffers: Set<GPUBuffer>, random: Random): Promise<string> {
  const run = random.below(2) === 0 ? world.teacherRun : world.studentRun;
  const total = run === world.teacherRun ? STEPS.teacher : STEPS.student;
  const perEpoch = run === world.teacherRun ? 4 : 8;
  const after = 1 + random.below(total - LATER);
  const out = join(world.folder, 'spoilt');
  rmSync(out, { recursive: true, force: true });
  let what = 'nothing';
  const spoil = () => {
    const targets = [...buffers].filter(({ label }) => !INTEGERS.test(label));
    const target = targets[random.below(targets.length)]!;
    const index = random.below(target.size / 4);
    const value = VALUES[random.below(VALUES.length)]!;
    gpu.device.queue.writeBuffer(target, 4 * index, Float32Array.of(value));
    what = `${value} at word ${index} of ${target.label} behind step ${after}`;
  };
  const tale = (problem: string) => `${run.name}: ${what}: ${problem}`;
  const update = (done: number) => {
    if (done === after && what === 'nothing') spoil();
  };
  try {
    await run.run(makeJob(gpu, { update }), out, { checkpointMinutes: ALWAYS });
  } catch (error) {
    if (!(error instanceof UserError)) return tale(String((error as Error).stack ?? error));
    const found = /step (\d+) of epoch (\d+): /.exec(error.message);
    // Spoilt behind a step, it comes to a checkpoint before another step has met it.
    if (/^tensor "[^"]+" is not written/.test(error.message)) return notFinite(out) ?? 'named';
    if (!found) return tale(`no step in "${error.message}"`);
    const step = perEpoch * (Number(found[2]) - 1) + Number(found[1]);
    if (step < after || step > after + LATER) return tale(`found in step ${step}`);
    return notFinite(out) ?? 'named';
  }
  const other = difference(results(out), world.whole.get(run)!);
  return other ? tale(`${other}, without a word`) : 'unused';
}

/** Trains with a rate between a healthy one and one that no float32 stands. */
async function withRate(world: World, gpu: Gpu, random: Random): Promise<string | undefined> {
  const { teacher, student } = tinyRuns(world, join(world.folder, 'teacher'));
  const learningRate = 10 ** (-2 + 38 * random.random());
  const given = { epochs: 1, learningRate, warmupEpochs: 0 };
  const run = random.below(2) === 0 ? teacher('teacher', given) : student('student', given);
  const out = join(world.folder, 'rate');
  rmSync(out, { recursive: true, force: true });
  try {
    await run.run(makeJob(gpu), out);
  } catch (error) {
    if (!(error instanceof UserError)) return `rate ${learningRate}: ${(error as Error).stack ?? error}`;
    if (!/diverged/.test(error.message)) return `rate ${learningRate}: ${error.message}`;
  }
  const bad = notFinite(out);
  return bad && `${run.name}, rate ${learningRate}: ${bad}`;
}

/** The first value that is none in any file of a run. */
function notFinite(out: string): string | undefined {
  if (!existsSync(out)) return undefined;
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.safetensors')) continue;
    const bytes = readFileSync(join(entry.parentPath, entry.name));
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, start)) as Header;
    for (const [name, { dtype, data_offsets }] of Object.entries(header)) {
      if (dtype !== 'F32') continue;
      const values = new Float32Array(
        Uint8Array.from(bytes.subarray(start + data_offsets[0], start + data_offsets[1])).buffer,
      );
      const at = values.findIndex((value) => !Number.isFinite(value));
      if (at >= 0) return `${entry.name} was written with ${values[at]} in ${name}`;
    }
  }
  return undefined;
}
