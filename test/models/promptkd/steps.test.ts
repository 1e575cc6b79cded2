import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { leafBuffer, readLeaf, write } from '../../../engine/gpu/memory.js';
import type { Choose } from '../../../engine/graph/tunable.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { type ClipModel, loadModel } from '../../../models/clip/model.js';
import type { Precision } from '../../../models/clip/precision.js';
import { GpuPreprocessor } from '../../../models/images/gpuPreprocess.js';
import { prepareImage } from '../../../models/images/preparedImage.js';
import { sampleTrainCrop } from '../../../models/images/preprocess.js';
import { classTensor } from '../../../models/promptkd/shared/logits.js';
import { initialProjection, projectionVariables } from '../../../models/promptkd/shared/projection.js';
import { initialPrompts, promptVariables } from '../../../models/promptkd/shared/prompts.js';
import { TrainingStep } from '../../../models/promptkd/shared/trainingStep.js';
import { type StudentGraph, studentGraph } from '../../../models/promptkd/stage2/step.js';
import { Random } from '../../../models/random.js';
import { relativeError, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';
import { countCreations, NOTHING } from '../../helpers/creations.js';
import { testJob } from '../../helpers/job.js';

const BATCH = 4;
const CLASSES = 7;
const own = await testGpu();

async function loadStudent(gpu: Gpu, precision: Precision): Promise<ClipModel> {
  const { platform } = await testJob();
  const checkpoint = await loadCheckpoint(platform, 'emoji-clip/student');
  return loadModel(gpu, checkpoint, { text: false, precision });
}

/** A step of the bundled student against features that are given, from the same start each time. */
function stepOf(gpu: Gpu, model: ClipModel, choose?: Choose): Promise<TrainingStep<StudentGraph>> {
  const { config } = model;
  const random = Random.of(1);
  const shape = { textDepth: 0, textLength: 0, visionDepth: 2, visionLength: 4 };
  const outputs = 96;
  const prompts = promptVariables(initialPrompts(shape, config, random), config).vision;
  const head = initialProjection(config.embed, outputs, random);
  const vectors = new TestRandom(1).array(CLASSES * outputs, 0.1);
  const graph = studentGraph(
    model,
    { prompts, projection: projectionVariables(head, config.embed, outputs) },
    classTensor({ vectors, count: CLASSES, embed: outputs }),
    { logitScale: 20 },
    { batch: BATCH, momentum: 0.9, weightDecay: 5e-4, temperature: 1, kdWeight: 1000 },
  );
  return TrainingStep.compile(gpu, graph, { inspect: true, choose });
}

/** Runs the step on random images and features, the same each time. */
function runOn(gpu: Gpu, step: TrainingStep<StudentGraph>, rate: number): void {
  const values = new TestRandom(2);
  const { images, teacherInput } = step.graph;
  write(gpu, images, values.array(images.size, 2));
  write(gpu, teacherInput, values.array(teacherInput.size, 0.2));
  step.run(rate);
}

describe('a step of stage 2', () => {
  it('creates no buffer, bind group or pipeline, from raw image bytes to the loss', async () => {
    const { gpu, platform } = await testJob();
    const load = async (name: string) => loadModel(gpu, await loadCheckpoint(platform, `emoji-clip/${name}`));
    const [teacher, student] = [await load('teacher'), await load('student')];
    const { config } = student;
    const shape = { textDepth: 0, textLength: 0, visionDepth: 2, visionLength: 4 };
    const random = Random.of(1);
    const prompts = promptVariables(initialPrompts(shape, config, random), config).vision;
    const head = initialProjection(config.embed, teacher.config.embed, random);
    const projection = projectionVariables(head, config.embed, teacher.config.embed);
    const classes = { vectors: new TestRandom(1).array(CLASSES * 96), count: CLASSES, embed: 96 };
    const graph = studentGraph(
      student,
      { prompts, projection },
      classTensor(classes),
      { model: teacher, prompts: [] },
      { batch: BATCH, momentum: 0.9, weightDecay: 5e-4, temperature: 1, kdWeight: 1000 },
    );
    const step = await TrainingStep.compile(gpu, graph);
    const preprocessor = await GpuPreprocessor.create(gpu, { size: 48, batch: BATCH });
    const run = async () => {
      const images = Array.from({ length: BATCH }, () => {
        const data = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.below(256));
        return prepareImage({ width: 64, height: 64, data }, sampleTrainCrop(random, 64, 64, 48));
      });
      preprocessor.submit(images, leafBuffer(gpu, step.graph.images));
      step.run(0.01);
      return (await step.readLosses()).losses.loss;
    };
    const first = await run();
    const count = countCreations(gpu);
    const losses = [await run(), await run(), await run()];
    expect(count()).toEqual(NOTHING);
    expect(new Set([first, ...losses]).size, 'every step computed something of its own').toBe(4);
  });

  it('gives the same bits in float16 as in float32: the checkpoint is float16, and there are no tensor cores', async () => {
    const gpu = withCapabilities(own, { subgroupMatrix: [] });
    const trained: Float32Array[][] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const model = await loadStudent(gpu, precision);
      expect(model.weights.half).toBe(precision === 'f16');
      const step = await stepOf(gpu, model);
      const losses: number[] = [];
      for (let s = 0; s < 3; s++) {
        runOn(gpu, step, 0.01);
        losses.push((await step.readLosses()).losses.loss);
      }
      expect(new Set(losses).size).toBe(3);
      const values: Float32Array[] = [Float32Array.from(losses)];
      for (const parameter of step.graph.parameters) values.push(await readLeaf(gpu, parameter));
      trained.push(values);
      step.destroy();
    }
    expect(trained[1]).toEqual(trained[0]);
  });

  // lavapipe of Mesa 26 has matrices of 8 x 8 x 8 (scripts/mesa-matrix.sh); other adapters here only compile these kernels.
  if (own.capabilities.level === 'matrix')
    it('has the same loss and gradients on subgroup matrices as without them', async () => {
      const gpu = withCapabilities(own, { software: false });
      const model = await loadStudent(gpu, 'f16');
      const run = async (step: TrainingStep<StudentGraph>) => {
        runOn(gpu, step, 0);
        const { loss, gradients } = step.graph;
        const results = [await step.plan.read(loss)];
        for (const gradient of gradients) results.push(await step.plan.read(gradient));
        step.destroy();
        return results;
      };
      const chosen = new Set<string>();
      const onMatrices = (name: string) => name.startsWith('tensor-core');
      const matrices: Choose = ({ key, candidates }) => {
        // The smaller of two tiles compiles in a fifth of the time.
        const names = candidates.map(({ name }) => name).filter(onMatrices);
        const name = names.find((each) => each.includes('of 16x16')) ?? names[0];
        const rounded = key.endsWith(' + rounded') ? ['rounded'] : [];
        if (name) chosen.add([...key.split(' ').slice(0, 2), ...rounded].join(' '));
        return name;
      };
      const plain = await stepOf(gpu, model, ({ candidates }) =>
        candidates.map(({ name }) => name).find((name) => !onMatrices(name)),
      );
      const labels = plain.graph.parameters.map(({ label }) => label);
      const expected = await run(plain);
      const found = await run(await stepOf(gpu, model, matrices));
      expect([...chosen].sort()).toEqual([
        'attention backward_dkv',
        'attention backward_dq',
        'attention forward',
        'matmul NN',
        'matmul NN rounded',
        'matmul NT',
      ]);
      expect(relativeError(found[0]!, expected[0]!)).toBeLessThan(1e-3);
      for (const [i, label] of labels.entries()) {
        // BatchNorm takes the mean away, so the bias before it has no gradient but rounding.
        if (label === 'projection.fc1.bias') continue;
        expect(expected[i + 1]!.every(Number.isFinite), `${label} without matrices`).toBe(true);
        expect(relativeError(found[i + 1]!, expected[i + 1]!), label).toBeLessThan(5e-3);
      }
    });
});
