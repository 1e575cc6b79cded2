/** Steps of both stages on tiny random CLIPs, and every place in them where a value may stop being a number. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { readLeaf, write } from '../../engine/gpu/memory.js';
import type { Tensor } from '../../engine/graph/tensor.js';
import { recordingOrder } from '../../engine/graph/traverse.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { type ClipModel, loadModel } from '../../models/clip/model.js';
import type { Precision } from '../../models/clip/precision.js';
import { classTensor } from '../../models/promptkd/shared/logits.js';
import { initialProjection, projectionVariables } from '../../models/promptkd/shared/projection.js';
import { promptVariables } from '../../models/promptkd/shared/prompts.js';
import { type StepGraph, TrainingStep } from '../../models/promptkd/shared/trainingStep.js';
import { classInputs } from '../../models/promptkd/stage1/classInputs.js';
import { teacherGraph } from '../../models/promptkd/stage1/step.js';
import { studentGraph } from '../../models/promptkd/stage2/step.js';
import { Random } from '../../models/random.js';
import type { StepResult } from '../../models/runs/train.js';
import { TestRandom } from './check.js';
import { randomClip, VOCABULARY } from './randomClip.js';

const [BATCH, CLASSES, EMBED] = [3, 4, 6];
const SIZE = { embed: EMBED, width: 64, layers: 2, textLayers: 1, patch: 4, resolution: 8 };
const DESCENT = { batch: BATCH, momentum: 0.9, weightDecay: 5e-4 };

/** A value to put somewhere before a step. */
export interface Poison {
  readonly leaf: Tensor;
  readonly index: number;
  readonly value: number;
}

export interface TinyStep {
  /** Runs one step on data of its own, with such a value, and reads what became of it. */
  run(rate?: number, poison?: Poison): Promise<StepResult>;
  /** Every tensor of floats that the steps read and no kernel makes: weights, inputs, prompts, statistics, momentum, ... */
  readonly leaves: readonly Tensor[];
  readonly parameters: readonly Tensor[];
  /** Of the optimiser. */
  readonly state: readonly Tensor[];
  /** Everything as it was before the first step. */
  reset(): Promise<void>;
  destroy(): void;
}

export interface TinyOptions {
  readonly precision?: Precision;
  readonly accumulate?: number;
}

async function tinyModel(gpu: Gpu, folder: string, precision: Precision): Promise<ClipModel> {
  const random = new TestRandom(3);
  const { file } = randomClip((count, scale = 1) => random.array(count, 1.7 * scale), SIZE);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, file);
  return loadModel(gpu, await loadCheckpoint(nodePlatform, path), { precision });
}

const unit = (random: TestRandom, rows: number, width: number) => {
  const values = random.array(rows * width);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * width, (r + 1) * width);
    const length = Math.hypot(...row);
    row.forEach((value, i) => {
      row[i] = value / length;
    });
  }
  return values;
};

/** Stage 2 with given features of the teacher; `folder` takes the CLIP. */
export async function tinyStudent(
  gpu: Gpu,
  folder: string,
  { precision = 'f32', accumulate = 1 }: TinyOptions = {},
): Promise<TinyStep> {
  const model = await tinyModel(gpu, folder, precision);
  const random = new TestRandom(4);
  const projection = projectionVariables(initialProjection(EMBED, EMBED, Random.of(1)), EMBED, EMBED);
  const prompts = [0, 1].map((i) => random.variable([2, 64], `vision.${i}`, 0.2));
  const graph = studentGraph(
    model,
    { prompts, projection },
    classTensor({ vectors: unit(random, CLASSES, EMBED), count: CLASSES, embed: EMBED }),
    { logitScale: 9 },
    { ...DESCENT, accumulate, temperature: 1, kdWeight: 20 },
  );
  const { images, teacherInput } = graph;
  return tinyStep(gpu, model, graph, () => {
    write(gpu, images, random.array(images.size, 2));
    write(gpu, teacherInput, unit(random, BATCH, EMBED));
  });
}

/** Stage 1, PromptSRC. */
export async function tinyTeacher(
  gpu: Gpu,
  folder: string,
  { precision = 'f32', accumulate = 1 }: TinyOptions = {},
): Promise<TinyStep> {
  const model = await tinyModel(gpu, folder, precision);
  const random = new TestRandom(5);
  const prompts = promptVariables(
    { text: [random.array(2 * 64, 0.2)], vision: [random.array(2 * 64, 0.2), random.array(2 * 64, 0.2)] },
    model.config,
  );
  const sequences = Array.from({ length: CLASSES }, (_, i) =>
    Int32Array.of(VOCABULARY - 2, 3 + i, 5, 7, 9, VOCABULARY - 1, ...Array(10).fill(0)),
  );
  const weights = { textWeight: 25, imageWeight: 10 };
  const frozen = random.array(CLASSES * EMBED);
  const classes = await classInputs(model, sequences, frozen);
  const graph = teacherGraph(model, prompts, classes, { ...DESCENT, accumulate, ...weights });
  const labels = Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES);
  return tinyStep(gpu, model, graph, () => {
    write(gpu, graph.images, random.array(graph.images.size, 2));
    write(gpu, graph.labels, labels);
  });
}

async function tinyStep(gpu: Gpu, model: ClipModel, graph: StepGraph, feed: () => void): Promise<TinyStep> {
  const step = await TrainingStep.compile(gpu, graph);
  const losses = [graph.loss, ...Object.values(graph.parts)];
  const nodes = recordingOrder(losses, [...graph.updates, ...(graph.finish ?? [])]);
  const all = new Set(nodes.flatMap(({ inputs }) => inputs.filter(({ leaf }) => leaf !== undefined)));
  const leaves = [...all].filter(({ dtype }) => dtype !== 'i32');
  feed();
  const start: (readonly [Tensor, Float32Array])[] = [];
  for (const leaf of leaves) start.push([leaf, await readLeaf(gpu, leaf)]);
  return {
    run: async (rate = 0.01, poison) => {
      feed();
      if (poison) {
        const values = await readLeaf(gpu, poison.leaf);
        values[poison.index] = poison.value;
        write(gpu, poison.leaf, values);
      }
      step.run(rate);
      return step.readLosses();
    },
    leaves,
    parameters: graph.parameters,
    state: graph.optimiser.state,
    reset: async () => {
      for (const [leaf, values] of start) write(gpu, leaf, values);
    },
    destroy: () => {
      step.destroy();
      model.release();
    },
  };
}
