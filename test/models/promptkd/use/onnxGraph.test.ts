/** Exported students in onnxruntime, on the processor, against the same student on the test adapter. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { write } from '../../../../engine/gpu/memory.js';
import { Plan } from '../../../../engine/gpu/plan.js';
import { constant, input } from '../../../../engine/graph/tensor.js';
import { loadCheckpoint } from '../../../../models/checkpoints/load.js';
import type { ClipConfig } from '../../../../models/clip/config.js';
import { normalizeRows } from '../../../../models/promptkd/classVectors/classVectors.js';
import { studentLogits } from '../../../../models/promptkd/shared/logits.js';
import { projectionShapes, projectionVariables } from '../../../../models/promptkd/shared/projection.js';
import { encodeOnnx, foldedLayers } from '../../../../models/promptkd/use/exportOnnx.js';
import { INPUT, OUTPUT } from '../../../../models/promptkd/use/onnxGraph.js';
import { TestRandom, testGpu } from '../../../helpers/check.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { hasOnnxRuntime, runOnnx } from '../../../helpers/onnxRuntime.js';
import { randomClip } from '../../../helpers/randomClip.js';

const folder = temporaryFolder('onnx');
const random = new TestRandom(11);
const CLASSES = 5;

interface Case {
  readonly name: string;
  readonly size: Parameters<typeof randomClip>[1];
  readonly prompts: number;
  readonly layers: number;
  readonly images: number;
  readonly activation?: ClipConfig['activation'];
}

const TINY = { embed: 24, width: 128, layers: 3, textLayers: 1, patch: 8, resolution: 32 };
const base = (patch: number) => ({
  embed: 512,
  width: 768,
  layers: 12,
  textLayers: 1,
  patch,
  resolution: 224,
});
const CASES: readonly Case[] = [
  { name: 'tiny, prompts in two of three blocks', size: TINY, prompts: 2, layers: 2, images: 3 },
  { name: 'tiny, one image, exact GELU', size: TINY, prompts: 3, layers: 3, images: 1, activation: 'gelu' },
  { name: 'tiny, neither prompts nor projection', size: TINY, prompts: 0, layers: 0, images: 2 },
  { name: 'tiny, a projection of one layer', size: TINY, prompts: 1, layers: 1, images: 2 },
  { name: 'ViT-B/32', size: base(32), prompts: 9, layers: 2, images: 1 },
  { name: 'ViT-B/16', size: base(16), prompts: 9, layers: 2, images: 1 },
];

/** A random student: what is exported, and the same on the host for the engine's graph. */
async function randomStudent({ name, size, prompts: depths, layers, activation = 'quickGelu' }: Case) {
  const clip = randomClip((count, scale) => random.array(count, scale), size);
  const path = join(folder, `${name.replace(/\W+/g, '-')}.safetensors`);
  writeFileSync(path, clip.file);
  const opened = await loadCheckpoint(nodePlatform, path);
  const checkpoint = { ...opened, config: { ...opened.config, activation } };
  const outputs = layers === 0 ? size.embed : 40;
  const prompts = Array.from({ length: depths }, () => random.array(4 * size.width, 0.5));
  const shapes = Object.entries(projectionShapes(size.embed, outputs, layers));
  const projection = Object.fromEntries(
    shapes.map(([part, shape]) => {
      const count = shape.reduce((product, side) => product * side, 1);
      const values = random.array(count, shape.length === 2 ? 0.2 : 0.5);
      return [part, part.endsWith('.var') ? values.map((value) => 0.1 + Math.abs(value)) : values];
    }),
  );
  const vectors = normalizeRows(random.array(CLASSES * outputs), outputs);
  return { clip, checkpoint, prompts, projection, vectors, outputs, width: size.width, inputs: size.embed };
}

type RandomStudent = Awaited<ReturnType<typeof randomStudent>>;

async function exported({ checkpoint, ...student }: RandomStudent, half = false) {
  const { outputs, inputs, width, prompts, projection, vectors } = student;
  const classNames = Array.from({ length: CLASSES }, (_, i) => `class ${i}`);
  return encodeOnnx(
    { prompts, projection, width, inputs, outputs, clip: '', clipHash: 'abc', weights: new Map() },
    checkpoint,
    { vectors, count: CLASSES, embed: outputs, classNames, template: 'a {}.', clipHash: '', logitScale: 1 },
    { half },
  );
}

/** The student's logits by the engine. */
async function logitsOf(student: RandomStudent, images: Float32Array, count: number): Promise<Float32Array> {
  const gpu = await testGpu();
  const { clip, checkpoint, prompts, projection, vectors, inputs, outputs, width } = student;
  const { config } = checkpoint;
  const leaf = input([count, 3, config.vision.resolution, config.vision.resolution], 'images');
  const variables = {
    prompts: prompts.map((values) => constant(values, [values.length / width, width])),
    projection: projectionVariables(projection, inputs, outputs),
  };
  const logitScale = Math.exp((await checkpoint.tensors.get('logit_scale')!.read())[0]!);
  const logits = studentLogits(
    { ...clip, config, logitScale },
    variables,
    constant(vectors, [CLASSES, outputs], 'class vectors'),
    leaf,
  );
  const plan = await Plan.compile(gpu, { outputs: [logits] });
  write(gpu, leaf, images);
  plan.run();
  const values = Float32Array.from(await plan.read(logits));
  plan.destroy();
  return values;
}

describe.skipIf(!hasOnnxRuntime)('in onnxruntime (npm run test:onnx installs it)', () => {
  it.each(CASES)(
    '$name: the logits are those of the engine, whichever type stores the weights',
    async (test) => {
      const student = await randomStudent(test);
      const { resolution } = student.checkpoint.config.vision;
      const shape = [test.images, 3, resolution, resolution];
      const images = random.array(test.images * 3 * resolution ** 2);
      const expected = await logitsOf(student, images, test.images);
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
      for (const half of [false, true]) {
        const { bytes } = await exported(student, half);
        const { dims, data, inputs, outputs } = await runOnnx(bytes, { name: INPUT, shape, data: images });
        expect({ inputs, outputs, dims }).toEqual({
          inputs: [INPUT],
          outputs: [OUTPUT],
          dims: [test.images, CLASSES],
        });
        const differences = expected.map((value, i) => Math.abs(value - data[i]!));
        expect(Math.max(...differences), half ? 'float16' : 'float32').toBeLessThan(1e-3);
      }
    },
  );
});

it('folds BatchNorm into the layer before it', () => {
  const values = (count: number, scale = 1) => random.array(count, scale);
  const projection = {
    ...{ 'fc1.weight': values(6), 'fc1.bias': values(2), 'fc2.weight': values(4), 'fc2.bias': values(2) },
    ...{ 'bn.weight': values(2), 'bn.bias': values(2), 'bn.mean': values(2) },
    'bn.var': Float32Array.of(0.3, 2),
  };
  const [first, second] = foldedLayers(projection);
  expect(second).toEqual({ weight: projection['fc2.weight'], bias: projection['fc2.bias'] });
  const x = values(3);
  for (let row = 0; row < 2; row++) {
    const dot = (weight: Float32Array) => x.reduce((sum, value, i) => sum + value * weight[3 * row + i]!, 0);
    const plain = dot(projection['fc1.weight']) + projection['fc1.bias'][row]!;
    const normal = (plain - projection['bn.mean'][row]!) / Math.sqrt(projection['bn.var'][row]! + 1e-5);
    const expected = normal * projection['bn.weight'][row]! + projection['bn.bias'][row]!;
    expect(dot(first!.weight) + first!.bias[row]!).toBeCloseTo(expected, 4);
  }
});

it('has ReLU behind every layer of the projection but the last', async () => {
  const { bytes } = await exported(await randomStudent({ ...CASES[1]!, name: 'relu' }));
  const has = (name: string) => Buffer.from(bytes).includes(name);
  expect([1, 2, 3].map((layer) => has(`projection.fc${layer}.relu`))).toEqual([true, true, false]);
});

it('says in its metadata what an application needs', async () => {
  const student = await randomStudent({ ...CASES[0]!, name: 'metadata' });
  const { bytes } = await exported(student);
  // Any reader of protocol buffers: field 14 of ModelProto is a list of keys (1) and values (2).
  const reader = protobuf.Reader.create(bytes);
  const metadata: Record<string, string> = {};
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 !== 14) {
      reader.skipType(tag & 7);
      continue;
    }
    const end = reader.uint32() + reader.pos;
    const pair: string[] = [];
    while (reader.pos < end) pair[(reader.uint32() >>> 3) - 1] = reader.string();
    metadata[pair[0]!] = pair[1]!;
  }
  expect(metadata).toMatchObject({
    class_names: '["class 0","class 1","class 2","class 3","class 4"]',
    size: '32',
    mean: '[0.48145466,0.4578275,0.40821073]',
    deviation: '[0.26862954,0.26130258,0.27577711]',
    clip_sha256: 'abc',
  });
});
