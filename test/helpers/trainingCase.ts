/** Writes training cases of any size: random CLIPs, and what the float64 references say of both stages. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GraphNode } from '../../engine/graph/op.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, type Tensor } from '../../engine/graph/tensor.js';
import { cosineRate } from '../../engine/train/optim.js';
import { encodeSafetensors, type TensorToWrite } from '../../formats/safetensors.js';
import { encodeImages } from '../../models/clip/vision.js';
import { meanOverTemplates, normalizeRows } from '../../models/promptkd/classVectors/classVectors.js';
import { argmax, baseCount } from '../../models/promptkd/shared/evaluate.js';
import { studentLogits } from '../../models/promptkd/shared/logits.js';
import {
  initialProjection,
  projectionParameters,
  projectionVariables,
} from '../../models/promptkd/shared/projection.js';
import { promptVariables } from '../../models/promptkd/shared/prompts.js';
import { gaussianWeights } from '../../models/promptkd/stage1/promptAverage.js';
import { teacherGraph } from '../../models/promptkd/stage1/step.js';
import { studentGraph } from '../../models/promptkd/stage2/step.js';
import { Random } from '../../models/random.js';
import { CONTEXT, randomClip, textFeatures, textInputs, VOCABULARY } from './randomClip.js';

export interface CaseShape {
  readonly seed: number;
  readonly classes: number;
  readonly templates: number;
  readonly resolution: number;
  readonly teacher: { embed: number; width: number; layers: number; textLayers: number; patch: number };
  readonly student: { embed: number; layers: number; patch: number };
  readonly prompts: {
    text: number;
    vision: number;
    student: number;
    textLength: number;
    visionLength: number;
  };
  readonly epochs: number;
  readonly batch: number;
  readonly temperature: number;
}

/** Writes the case into `folder`, in the form of the goldens' README. */
export function writeTrainingCase(folder: string, shape: CaseShape): string {
  const random = Random.of(shape.seed);
  const { classes, templates, resolution, prompts, batch, epochs, temperature } = shape;
  const normal = (count: number, scale = 1) =>
    Float32Array.from({ length: count }, () => random.normal() * scale);
  const { embed, width, layers, textLayers, patch } = shape.teacher;
  const teacher = randomClip(normal, { embed, width, layers, textLayers, patch, resolution });
  const student = randomClip(normal, { ...shape.student, width: 64, textLayers: 1, resolution });
  const tensors: TensorToWrite[] = [];
  const save = (name: string, dims: readonly number[], values: ArrayLike<number>) =>
    tensors.push({ name, dtype: 'F32', shape: dims, data: Float32Array.from(values) });
  const saveInts = (name: string, dims: readonly number[], data: Int32Array) =>
    tensors.push({ name, dtype: 'I32', shape: dims, data });

  // Every sequence: start, words, the prompt's places among them, end, padding.
  const sentence = (least: number) => {
    const words = least + 1 + random.below(CONTEXT - least - 3);
    const row = new Int32Array(CONTEXT);
    row.set([
      VOCABULARY - 2,
      ...Array.from({ length: words }, () => 1 + random.below(VOCABULARY - 3)),
      VOCABULARY - 1,
    ]);
    return row;
  };
  const sentences = (name: string, dims: readonly number[], least = 0) => {
    const rows = Array.from({ length: dims.reduce((p, n) => p * n, 1) }, () => sentence(least));
    saveInts(name, [...dims, CONTEXT], Int32Array.from(rows.flatMap((row) => [...row])));
    return rows;
  };
  const images = (name: string, count: number) => {
    const values = normal(count * 3 * resolution ** 2);
    save(name, [count, 3, resolution, resolution], values);
    return values;
  };
  const tokens = sentences('given.tokens', [classes], prompts.textLength);
  const plain = sentences('given.plain_tokens', [classes]);
  const templated = sentences('given.template_tokens', [templates, classes]);
  const tests = 3;
  const testImages = images('given.test.images', tests);
  const imageLeaf = (values: Float32Array, count: number) =>
    constant(values, [count, 3, resolution, resolution]);

  for (const [name, clip] of [
    ['teacher', teacher],
    ['student', student],
  ] as const) {
    const image = run(encodeImages(clip.weights, clip.config, imageLeaf(testImages, tests)));
    const text = run(textFeatures(clip, plain));
    const size = clip.config.embed;
    const [a, b] = [normalizeRows(image, size), normalizeRows(text, size)];
    const logits = Float32Array.from({ length: tests * classes }, (_, i) => {
      const [row, column] = [Math.floor(i / classes), i % classes];
      let dot = 0;
      for (let e = 0; e < size; e++) dot += a[row * size + e]! * b[column * size + e]!;
      return clip.logitScale * dot;
    });
    save(`expect.clip.${name}.image_features`, [tests, size], image);
    save(`expect.clip.${name}.text_features`, [classes, size], text);
    save(`expect.clip.${name}.logits_per_image`, [tests, classes], logits);
  }

  const stage = {
    batch,
    epochs,
    steps: 2 * epochs,
    momentum: 0.8,
    weight_decay: 1e-3,
    warmup_epochs: 1,
    warmup_lr: 1e-4,
  };
  const stage1 = { ...stage, lr: 0.01, w_text: 20, w_image: 7, gpa_mean: epochs - 0.5, gpa_std: 0.7 };
  const stage2 = { ...stage, lr: 0.02, temperature, kd_weight: 150 };
  const options = { batch, momentum: stage.momentum, weightDecay: stage.weight_decay };
  const drawPrompts = (name: string, depth: number, rows: number, columns: number) =>
    Array.from({ length: depth }, (_, i) => {
      const values = normal(rows * columns, 0.05);
      save(`given.${name}.${i}`, [rows, columns], values);
      return values;
    });
  const initial = {
    text: drawPrompts('teacher.prompts.text', prompts.text, prompts.textLength, 64),
    vision: drawPrompts('teacher.prompts.vision', prompts.vision, prompts.visionLength, width),
  };

  const frozen = meanOverTemplates(
    Float32Array.from(run(textFeatures(teacher, templated))),
    templates,
    embed,
  );
  save('expect.stage1.frozen_text', [classes, embed], normalizeRows(frozen, embed));
  const { embedded, endRows } = textInputs(teacher, tokens);
  const first = teacherGraph(
    teacher,
    promptVariables(initial, teacher.config),
    { embedded, endRows, frozenText: constant(frozen, [classes, embed]) },
    { ...options, textWeight: stage1.w_text, imageWeight: stage1.w_image },
  );
  const weights = gaussianWeights(epochs, stage1.gpa_mean, stage1.gpa_std);
  const averaged = first.parameters.map((p) => new Float64Array(p.size));
  const losses1 = Array.from({ length: stage1.steps }, (_, s) => {
    const lr = rateOf(stage1, s);
    const labels = Int32Array.from({ length: batch }, () => random.below(classes));
    saveInts(`given.stage1.labels.${s}`, [batch], labels);
    const found = train(
      first.optimiser.updates,
      [first.loss, ...Object.values(first.parts), ...first.gradients],
      [
        [first.images, images(`given.stage1.images.${s}`, batch)],
        [first.labels, labels],
        [first.rate, [lr]],
      ],
    );
    if (s === 0)
      first.parameters.forEach((p, i) => {
        save(`expect.stage1.grad.${p.label}`, p.shape, found.get(first.gradients[i]!)!);
      });
    if (s % 2 === 1)
      first.parameters.forEach((p, i) => {
        for (let k = 0; k < p.size; k++) averaged[i]![k]! += weights[(s - 1) / 2]! * p.leaf!.data![k]!;
      });
    const parts = Object.entries({ total: first.loss, ...first.parts }).map(([name, tensor]) => [
      name,
      found.get(tensor)![0]!,
    ]);
    return { ...Object.fromEntries(parts), lr };
  });
  first.parameters.forEach((p, i) => {
    save(`expect.stage1.last.${p.label}`, p.shape, p.leaf!.data!);
    save(`expect.stage1.averaged.${p.label}`, p.shape, averaged[i]!);
  });

  const single = averaged.map((values) => Float32Array.from(values));
  const tuned = promptVariables(
    { text: single.slice(0, prompts.text), vision: single.slice(prompts.text) },
    teacher.config,
  );
  const vectors = normalizeRows(run(textFeatures(teacher, tokens, tuned.text)), embed);
  save('expect.class_vectors', [classes, embed], vectors);
  const inputs = student.config.embed;
  const projection = projectionVariables(initialProjection(inputs, embed, random), inputs, embed);
  for (const name of projectionParameters())
    save(`given.student.projection.${name}`, projection[name]!.shape, projection[name]!.leaf!.data!);
  const vision = drawPrompts('student.prompts.vision', prompts.student, prompts.visionLength, 64);
  const variables = { prompts: promptVariables({ text: [], vision }, student.config).vision, projection };
  const classLeaf = constant(vectors, [classes, embed]);
  const second = studentGraph(
    student,
    variables,
    classLeaf,
    { model: teacher, prompts: tuned.vision },
    { ...options, temperature, kdWeight: stage2.kd_weight },
  );
  const losses2 = Array.from({ length: stage2.steps }, (_, s) => {
    const lr = rateOf(stage2, s);
    const found = train(
      second.updates,
      [second.loss, second.teacherLogits, second.logits, ...second.gradients],
      [
        [second.images, images(`given.stage2.images.${s}`, batch)],
        [second.rate, [lr]],
      ],
    );
    save(`expect.stage2.teacher_logits.${s}`, [batch, classes], found.get(second.teacherLogits)!);
    if (s === 0) {
      save('expect.stage2.student_logits.0', [batch, classes], found.get(second.logits)!);
      second.parameters.forEach((p, i) => {
        save(`expect.stage2.grad.${p.label}`, p.shape, found.get(second.gradients[i]!)!);
      });
    }
    return { loss: found.get(second.loss)![0]!, lr };
  });
  for (const p of second.parameters) save(`expect.stage2.last.${p.label}`, p.shape, p.leaf!.data!);
  for (const part of ['mean', 'var'] as const)
    save(`expect.stage2.bn.${part}`, [embed], projection[`bn.${part}`]!.leaf!.data!);
  const logits = run(studentLogits(student, variables, classLeaf, imageLeaf(testImages, tests)));
  save('expect.eval.logits', [tests, classes], logits);
  const base = baseCount(classes);
  const labelsIn = (from: number, to: number) =>
    Array.from(
      { length: tests },
      (_, i) => from + argmax(logits.subarray(i * classes, (i + 1) * classes), from, to),
    );
  const predictions = { all: labelsIn(0, classes), base: labelsIn(0, base), novel: labelsIn(base, classes) };

  mkdirSync(folder, { recursive: true });
  const names = Array.from({ length: classes }, (_, i) => `class ${i}`);
  const losses = { stage1: losses1, stage2: losses2 };
  const lines = {
    classes: names,
    templates: Array(templates).fill('{}.'),
    stage1,
    stage2,
    losses,
    predictions,
  };
  writeFileSync(join(folder, 'case.json'), JSON.stringify(lines));
  writeFileSync(join(folder, 'tensors.safetensors'), encodeSafetensors(tensors));
  writeFileSync(join(folder, 'teacher.safetensors'), teacher.file);
  writeFileSync(join(folder, 'student.safetensors'), student.file);
  return folder;
}

const run = (tensor: Tensor): Float32Array => Float32Array.from(evaluate([tensor]).get(tensor)!);

/** One step in float64; parameters and optimiser state keep their new values. */
function train(
  updates: readonly GraphNode[],
  outputs: readonly Tensor[],
  feeds: readonly (readonly [Tensor, ArrayLike<number>])[],
) {
  const found = evaluate(outputs, new Map(feeds), updates);
  for (const node of updates)
    for (const index of node.op.mutates!) {
      const leaf = node.inputs[index]!;
      (leaf.leaf!.data as Float32Array).set(found.get(leaf)!);
    }
  return found;
}

const rateOf = (
  stage: { lr: number; epochs: number; warmup_epochs: number; warmup_lr: number },
  step: number,
) =>
  cosineRate(
    { rate: stage.lr, epochs: stage.epochs, warmupEpochs: stage.warmup_epochs, warmupRate: stage.warmup_lr },
    Math.floor(step / 2) + 1,
  );
