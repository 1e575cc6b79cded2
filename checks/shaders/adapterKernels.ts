/** Every kernel that an adapter with given capabilities may run, for checks that compile without running. */
import type { Capabilities } from '../../engine/capabilities.js';
import { Schedule } from '../../engine/gpu/schedule.js';
import { type DType, input } from '../../engine/graph/tensor.js';
import { type KernelSource, kernelSource } from '../../engine/kernels/kernelSource.js';
import { matmulCandidates } from '../../engine/kernels/matmul/candidates.js';
import { KNOWN_MODELS } from '../../models/clip/knownModels.js';
import { resampleKernels } from '../../models/images/gpuPreprocess.js';
import { defaultStudent, defaultTeacher } from '../../models/promptkd/shared/defaults.js';
import { usualTeacher } from '../../models/promptkd/shared/teacher.js';
import { teacherRequest } from '../../models/promptkd/stage1/plan.js';
import { studentRequests } from '../../models/promptkd/stage2/plan.js';
import { candidatesOf } from './candidateVariants.js';

/** A kernel that messages can name. */
export interface NamedKernel {
  /** The kernel, how its first tensor is stored, and the constants that tell it from others of its name. */
  readonly label: string;
  readonly source: KernelSource;
}

/** Training of both stages, ViT-L/14 and then ViT-B/16, evaluation, preprocessing, and the candidates of matmul and attention. */
export function listKernels(capabilities: Capabilities): NamedKernel[] {
  const { 'ViT-B/16': small, 'ViT-L/14': large } = KNOWN_MODELS;
  const { across, down } = resampleKernels(small.vision.resolution);
  const sources: KernelSource[] = [across, down];
  for (const precision of ['f32', 'f16'] as const) {
    const sizes = { classes: 100, capabilities };
    const distilling = defaultStudent(small, { precision });
    const requests = [
      teacherRequest(large, defaultTeacher(large, { precision }), sizes),
      ...Object.values(studentRequests(usualTeacher(large), small, distilling, sizes)),
    ];
    for (const request of requests) sources.push(...new Schedule(request, capabilities).sources());
    sources.push(...largeMatmuls(precision, capabilities));
  }
  sources.push(...candidatesOf(capabilities));
  const texts = new Map(sources.map((source) => [`${source.entry}\n${source.code}`, source]));
  return named([...texts.values()]);
}

/** The candidates of two matmuls of a ViT-L/14's block. */
function largeMatmuls(dtype: DType, capabilities: Capabilities): KernelSource[] {
  const shapes = [
    [2088, 1024, 4096],
    [2088, 4096, 1024],
  ] as const;
  return shapes.flatMap(([m, n, k]) => {
    const tensors = {
      a: input([m, k], 'a', dtype),
      b: input([n, k], 'b', dtype),
      c: input([m, n], 'c', dtype),
    };
    const sizes = { batch: 1, m, n, k, transposeA: false, transposeB: true };
    const problem = { ...tensors, sizes, epilogue: {} };
    return matmulCandidates(problem, capabilities).map((candidate) =>
      kernelSource(candidate.dispatch(problem), capabilities),
    );
  });
}

/** Constants of the generated prelude by name. */
const constantsOf = ({ code }: KernelSource) =>
  new Map([...code.matchAll(/^const (\w+): \w+ = (\w+?)u?;$/gm)].map(([, name, value]) => [name, value]));

/** How the first tensor is stored: the accessors of float16 unpack words. */
const dtypeOf = ({ code }: KernelSource) =>
  /^fn load_\w+\(i: u32\) -> \S+ \{ return \S*unpack2x16float/m.exec(code) ? 'f16' : 'f32';

function named(sources: readonly KernelSource[]): NamedKernel[] {
  return sources.map((source) => {
    const constants = [...constantsOf(source)].flatMap(([name, value]) =>
      value === 'false' ? [] : value === 'true' ? [name] : [`${name}=${value}`],
    );
    return { source, label: [source.name, dtypeOf(source), ...constants].join(' ') };
  });
}
