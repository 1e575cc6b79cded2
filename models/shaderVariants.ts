/**
 * Every shader text that the project can produce, for checks that need no GPU: each operation forward and backward on
 * small odd shapes, and both training stages at the shapes of real models, at every capability level.
 */
import { grad } from '../engine/autograd.js';
import type { Capabilities, Level } from '../engine/gpu.js';
import { type KernelSource, kernelSource } from '../engine/kernel.js';
import { everyOperation } from '../engine/ops/every.js';
import { accumulate } from '../engine/optim.js';
import { type PlanRequest, Schedule } from '../engine/plan.js';
import { constant, input, type Tensor, variable } from '../engine/tensor.js';
import { type ClipConfig, expectedShapes } from './clip/config.js';
import { resampleKernels } from './clip/gpuPreprocess.js';
import type { ClipGraph } from './clip/model.js';
import { Weights } from './clip/weights.js';
import { type Projection, projectionShapes } from './promptkd/projection.js';
import { studentGraph, studentLogits } from './promptkd/student.js';
import { teacherGraph } from './promptkd/teacher.js';

export interface ShaderVariant {
  readonly name: string;
  readonly level: Level;
  readonly code: string;
  readonly entry: string;
}

const LEVELS: readonly Level[] = ['portable', 'subgroups', 'matrix'];

const capabilitiesAt = (level: Level): Capabilities => ({
  f16: level !== 'portable',
  subgroups: level !== 'portable',
  subgroupMatrix: [],
  timestamps: false,
  level,
});

const tower = (width: number, layers: number) => ({ width, layers, heads: width / 64 });

/** The published models whose shapes users will run. */
export const KNOWN_MODELS: Readonly<Record<'ViT-B/32' | 'ViT-B/16' | 'ViT-L/14', ClipConfig>> = {
  'ViT-B/32': describe(512, tower(768, 12), 32, 224, tower(512, 12)),
  'ViT-B/16': describe(512, tower(768, 12), 16, 224, tower(512, 12)),
  'ViT-L/14': describe(768, tower(1024, 24), 14, 224, tower(768, 12)),
};

function describe(
  embed: number,
  vision: ReturnType<typeof tower>,
  patch: number,
  resolution: number,
  text: ReturnType<typeof tower>,
): ClipConfig {
  return {
    embed,
    vision: { ...vision, patch, resolution, tokens: (resolution / patch) ** 2 + 1 },
    text: { ...text, vocabulary: 49408, contextLength: 77 },
    activation: 'quickGelu',
    layerNormEps: 1e-5,
  };
}

/** A model of that architecture without data: enough to record and schedule graphs. */
export function shapeOnlyModel(config: ClipConfig): ClipGraph {
  const tensors = [...expectedShapes(config)].map(([name, shape]): [string, Tensor] => [
    name,
    constant(undefined, shape, name),
  ]);
  return { config, weights: new Weights(new Map(tensors)), logitScale: 100 };
}

/** The step of stage 1, as a request without data. */
export function teacherRequest(config: ClipConfig, classes: number, batch: number): PlanRequest {
  const length = 16;
  const graph = teacherGraph(
    shapeOnlyModel(config),
    {
      text: promptLeaves(9, config.text.width),
      vision: promptLeaves(9, config.vision.width),
    },
    {
      embedded: constant(undefined, [classes, length, config.text.width], 'embedded classes'),
      endRows: input([classes], 'end-of-text rows', 'i32'),
      frozenText: constant(undefined, [classes, config.embed], 'frozen text features'),
    },
    { batch, momentum: 0.9, weightDecay: 5e-4, textWeight: 25, imageWeight: 10 },
  );
  return { outputs: [graph.losses.total], updates: graph.optimiser.updates };
}

/** The step of stage 2 and the student's evaluation, as requests without data. */
export function studentRequests(
  teacher: ClipConfig,
  student: ClipConfig,
  classes: number,
  batch: number,
): { train: PlanRequest; evaluate: PlanRequest } {
  const shapes = projectionShapes(student.embed, teacher.embed);
  const projection = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, variable(undefined, shape, name)]),
  ) as Projection;
  const variables = { prompts: promptLeaves(9, student.vision.width), projection };
  const vectors = constant(undefined, [classes, teacher.embed], 'class vectors');
  const model = shapeOnlyModel(student);
  const { loss, updates } = studentGraph(
    model,
    variables,
    vectors,
    { model: shapeOnlyModel(teacher), prompts: promptLeaves(9, teacher.vision.width) },
    { batch, momentum: 0.9, weightDecay: 5e-4, temperature: 1, weight: 1000 },
  );
  const { resolution } = student.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const logits = studentLogits(model, variables, vectors, images);
  return { train: { outputs: [loss], updates }, evaluate: { outputs: [logits] } };
}

const promptLeaves = (depth: number, width: number): Tensor[] =>
  Array.from({ length: depth }, (_, i) => variable(undefined, [4, width], `prompt.${i}`));

/** Every shader variant, each text once a level. */
export function listShaderVariants(): ShaderVariant[] {
  const { 'ViT-B/16': small, 'ViT-L/14': large } = KNOWN_MODELS;
  const operations = everyOperation();
  const requests: PlanRequest[] = [
    { outputs: operations.flatMap(({ output, loss, parameters }) => [output, ...grad(loss, parameters)]) },
    { updates: [accumulate(variable(undefined, [7]), variable(undefined, [7]), constant(undefined, [1]))] },
    { updates: operations.flatMap(({ updates }) => updates ?? []) },
    teacherRequest(large, 50, 8),
    ...Object.values(studentRequests(large, small, 100, 8)),
  ];
  const variants: ShaderVariant[] = [];
  for (const level of LEVELS) {
    const { across, down } = resampleKernels(224);
    const sources: KernelSource[] = [across, down];
    for (const request of requests)
      sources.push(...new Schedule(request, capabilitiesAt(level)).dispatches.map(kernelSource));
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
