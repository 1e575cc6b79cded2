/**
 * Every shader text that the project can produce, for checks that need no GPU: each operation forward and backward on
 * small odd shapes, and both training stages at the shapes of real models, at every capability level.
 */
import { type Capabilities, type Level, PORTABLE } from '../../engine/capabilities.js';
import { everyExample, gradientsOf } from '../../engine/examples.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { peakGraphs } from '../../engine/gpu/peaks.js';
import { type PlanRequest, Schedule } from '../../engine/gpu/schedule.js';
import type { KernelSource } from '../../engine/kernels/kernelSource.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { KNOWN_MODELS } from '../../models/clip/knownModels.js';
import { resampleKernels } from '../../models/images/gpuPreprocess.js';
import { defaultStudent, defaultTeacher } from '../../models/promptkd/shared/defaults.js';
import { lossNames } from '../../models/promptkd/shared/losses.js';
import { usualTeacher } from '../../models/promptkd/shared/teacher.js';
import { teacherRequest } from '../../models/promptkd/stage1/plan.js';
import { studentRequests } from '../../models/promptkd/stage2/plan.js';
import { candidateVariants } from './candidateVariants.js';

/** A text that is compiled by itself. */
export interface ShaderVariant {
  readonly name: string;
  readonly level: Level;
  readonly code: string;
  readonly entry: string;
}

const LEVELS: readonly Level[] = ['portable', 'subgroups', 'matrix'];

const capabilitiesAt = (level: Level): Capabilities => ({
  ...PORTABLE,
  f16: level !== 'portable',
  subgroups: level !== 'portable',
  ...(level !== 'portable' && { subgroupSize: [8, 8] as const }),
  level,
});

/** Every shader variant, each text once a level. */
export function listShaderVariants(): ShaderVariant[] {
  const { 'ViT-B/32': smallest, 'ViT-B/16': small, 'ViT-L/14': large } = KNOWN_MODELS;
  const ablation = { train: 'all', projectionLayers: 3 } as const;
  const distil = (student: ClipConfig, settings: Parameters<typeof defaultStudent>[1] = {}) =>
    studentRequests(usualTeacher(large), student, defaultStudent(student, settings), { classes: 100 });
  const examples = everyExample();
  const peaks = peakGraphs(true);
  const requests: PlanRequest[] = [
    { outputs: [...peaks.alu, peaks.copy] },
    { outputs: examples.flatMap((one) => [...(one.output ? [one.output] : []), ...gradientsOf(one)]) },
    { updates: examples.flatMap(({ updates }) => updates) },
    teacherRequest(large, defaultTeacher(large), { classes: 50 }),
    ...Object.values(distil(small)),
    distil(small, { precision: 'f16' }).train,
    ...lossNames().map((kdLoss) => distil(smallest, { ...ablation, kdLoss }).train),
  ];
  const variants: ShaderVariant[] = [];
  for (const level of LEVELS) {
    const { across, down } = resampleKernels(224);
    const sources: KernelSource[] = [across, down, ...candidateVariants(level)];
    for (const software of [false, true])
      for (const request of requests)
        sources.push(...new Schedule(request, { ...capabilitiesAt(level), software }).sources());
    const seen = new Set<string>();
    for (const { name, code, entry } of sources) {
      const key = `${entry}\n${code}`;
      if (seen.has(key)) continue;
      seen.add(key);
      variants.push({ name, level, code, entry });
    }
  }
  return variants;
}

/** The null backend's own limit, which is the smallest that WebGPU allows; GPUs are asked for theirs before a kernel is used. */
const LIMIT = /total use of workgroup storage .* larger than the maximum allowed/;

/** Compiles a shader text on the null backend, which needs no adapter; says why where it is refused. */
export async function refusalOf(
  gpu: Gpu,
  { name, code, entry }: Pick<ShaderVariant, 'name' | 'code' | 'entry'>,
): Promise<string | undefined> {
  try {
    await gpu.scoped(name, () => {
      const module = gpu.device.createShaderModule({ label: name, code });
      gpu.device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: entry } });
    });
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    // The module has been compiled by then, and only the pipeline is refused.
    return LIMIT.test(message) ? undefined : message;
  }
}
