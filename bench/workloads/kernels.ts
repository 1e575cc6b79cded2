/** Times of the kernels by themselves, and what share of the adapter's own peaks they reach. */
import type { Gpu } from '../../engine/gpu/gpu.js';
import { alternate, kernelRunner, type Repetition, type Timing } from '../../engine/gpu/measure.js';
import { releaseAll, write } from '../../engine/gpu/memory.js';
import { peakGraphs } from '../../engine/gpu/peaks.js';
import { Plan } from '../../engine/gpu/plan.js';
import { type PlanRequest, Schedule } from '../../engine/gpu/schedule.js';
import type { Tensor } from '../../engine/graph/tensor.js';
import type { Family, KernelCase } from './kernelCases.js';
import { randomHalfWeight, randomWeight, seededHalves, seededValues, seedOf } from './values.js';

/** The measurement of a case. */
export interface KernelRow {
  readonly family: Family;
  readonly name: string;
  readonly model: string;
  readonly dtype: 'f32' | 'f16';
  readonly timing: Timing;
  /** Floating-point operations, 0 where they are not what the kernel is about. */
  readonly flops: number;
  /** Inputs and outputs once: what has to be moved at least. */
  readonly bytes: number;
  /** Measured in turns with the row: operations and bytes a millisecond. No operations where a kernel does more than was measured. */
  readonly peak: { readonly flops?: number; readonly bytes: number };
}

/** Operations a second of a row over the adapter's own peak; undefined where a row has none. */
export const aluShare = ({ flops, timing, peak }: KernelRow): number | undefined =>
  flops > 0 && peak.flops !== undefined ? flops / timing.median / peak.flops : undefined;

/** Bytes a second over a copy's. Above 1 where the data fit into caches that the copy does not. */
export const copyShare = ({ bytes, timing, peak }: KernelRow): number => bytes / timing.median / peak.bytes;

/** What to measure, and how often. */
export interface KernelOptions {
  readonly cases: readonly KernelCase[];
  readonly repetition: Repetition;
  readonly onProgress?: (text: string) => void;
  /** Called after each group with all rows so far. */
  readonly onRows?: (rows: readonly KernelRow[]) => void;
}

/** Fills every leaf of a request that has no data: weights as `randomWeight` does, whole numbers with 0. */
export function fillLeaves(gpu: Gpu, request: PlanRequest): void {
  for (const leaf of new Schedule(request, gpu.capabilities).leaves) if (!leaf.leaf!.data) fill(gpu, leaf);
}

function fill(gpu: Gpu, leaf: Tensor): void {
  const { label, shape, size, dtype } = leaf;
  const isWeight = /\.(weight|bias|in_proj_\w+)$|proj/.test(label);
  const seed = seedOf(`${label} ${shape}`);
  if (dtype === 'i32') write(gpu, leaf, new Int32Array(size));
  else if (dtype === 'f16')
    write(gpu, leaf, isWeight ? randomHalfWeight(label, shape) : seededHalves(seed, size));
  else write(gpu, leaf, isWeight ? randomWeight(label, shape) : seededValues(seed, size));
}

/** Measures family by family: within one, every case and both peaks take their turns. */
export async function measureKernels(gpu: Gpu, options: KernelOptions): Promise<KernelRow[]> {
  const { cases, repetition, onProgress = () => {}, onRows = () => {} } = options;
  const groups = new Map<string, KernelCase[]>();
  for (const work of cases) {
    const key = `${work.family}, ${work.model}`;
    groups.set(key, [...(groups.get(key) ?? []), work]);
  }
  const rows: KernelRow[] = [];
  for (const [name, group] of groups) {
    onProgress(name);
    rows.push(...(await measureGroup(gpu, group, repetition)));
    onRows(rows);
  }
  return rows;
}

async function measureGroup(
  gpu: Gpu,
  cases: readonly KernelCase[],
  repetition: Repetition,
): Promise<KernelRow[]> {
  const peaks = peakGraphs(gpu.capabilities.software);
  const requests: PlanRequest[] = [
    ...cases.map(({ outputs }) => ({ outputs })),
    ...[...peaks.alu, peaks.copy].map((tensor) => ({ outputs: [tensor] })),
  ];
  const plans: Plan[] = [];
  for (const request of requests) {
    fillLeaves(gpu, request);
    plans.push(await Plan.compile(gpu, request));
  }
  const timings = await alternate(
    plans.map((plan) => kernelRunner(gpu, plan)),
    repetition,
  );
  const sizes = plans.map((plan) => {
    const { flops, constants, variables, outputs } = plan.describe();
    return { flops, bytes: constants + variables + outputs };
  });
  for (const plan of plans) plan.destroy();
  releaseAll(gpu);
  const rate = (i: number, unit: 'flops' | 'bytes') => sizes[i]![unit] / timings[i]!.median;
  const first = cases.length;
  const alu = Math.max(rate(first, 'flops'), rate(first + 1, 'flops'));
  // A share of what is no peak says nothing: tensor cores, or a measure that is not the most that the adapter can do.
  const holds = cases.every((_, i) => rate(i, 'flops') <= alu);
  const peak = { ...(holds && { flops: alu }), bytes: rate(first + 2, 'bytes') };
  return cases.map(({ family, name, model, dtype }, i) => ({
    family,
    name,
    model,
    dtype,
    timing: timings[i]!,
    ...sizes[i]!,
    peak,
  }));
}
