/** Compares both training stages with a reference case: `case.json`, two models and tensors. */
import * as v from 'valibot';
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu.js';
import { readLeaf, write } from '../../engine/memory.js';
import { cosineRate } from '../../engine/optim.js';
import { Plan } from '../../engine/plan.js';
import { input, type Tensor } from '../../engine/tensor.js';
import { loadCheckpoint } from '../checkpoints/load.js';
import { type ClipModel, loadModel } from '../clip/model.js';
import { encodeSequences } from '../clip/textEncoder.js';
import { encodeImages } from '../clip/vision.js';
import type { Platform } from '../platform.js';
import { meanOverTemplates, normalizeRows } from '../promptkd/classVectors.js';
import { argmax, baseCount } from '../promptkd/evaluate.js';
import { PROJECTION_PARAMETERS, type ProjectionValues, projectionVariables } from '../promptkd/projection.js';
import { gaussianWeights, PromptAverage } from '../promptkd/promptAverage.js';
import { type Prompts, promptVariables } from '../promptkd/prompts.js';
import { type ClassMatrix, classTensor, StudentStep, studentLogits } from '../promptkd/student.js';
import { type TeacherLosses, TeacherStep } from '../promptkd/teacher.js';
import { compareGroup, item, TOLERANCE, type VerifyItem } from './item.js';
import { ReferenceTensors } from './tensors.js';

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
const stage = {
  batch: Count,
  steps: Count,
  epochs: Count,
  lr: v.number(),
  momentum: v.number(),
  weight_decay: v.number(),
  warmup_epochs: v.number(),
  warmup_lr: v.number(),
};
const CaseSchema = v.object({
  classes: v.array(v.string()),
  templates: v.array(v.string()),
  stage1: v.object({
    ...stage,
    w_text: v.number(),
    w_image: v.number(),
    gpa_mean: v.number(),
    gpa_std: v.number(),
  }),
  stage2: v.object({ ...stage, temperature: v.number(), kd_weight: v.number() }),
  losses: v.object({
    stage1: v.array(
      v.object({
        total: v.number(),
        ce: v.number(),
        scl_text: v.number(),
        scl_image: v.number(),
        scl_logits: v.number(),
        lr: v.number(),
      }),
    ),
    stage2: v.array(v.object({ loss: v.number(), lr: v.number() })),
  }),
  predictions: v.object({
    all: v.array(v.number()),
    base: v.array(v.number()),
    novel: v.array(v.number()),
  }),
});
type Case = v.InferOutput<typeof CaseSchema>;
type Stage = Case['stage1'] | Case['stage2'];

export async function verifyTrainingCase(
  gpu: Gpu,
  platform: Platform,
  folder: string,
): Promise<VerifyItem[]> {
  const file = platform.join(folder, 'case.json');
  const parsed = v.safeParse(CaseSchema, parseJson(file, await platform.readText(file)));
  if (!parsed.success) {
    const issue = parsed.issues[0]!;
    throw new UserError(
      `${file}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}`,
      'use a complete training case',
    );
  }
  const load = async (name: string) =>
    loadModel(gpu, await loadCheckpoint(platform, platform.join(folder, `${name}.safetensors`)));
  const run = new CaseRun(
    gpu,
    parsed.output,
    await ReferenceTensors.open(platform, platform.join(folder, 'tensors.safetensors')),
    await load('teacher'),
    await load('student'),
  );
  return run.all();
}

export function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not JSON: ${(error as Error).message}`, 'restore the file');
  }
}

class CaseRun {
  constructor(
    private readonly gpu: Gpu,
    private readonly given: Case,
    private readonly tensors: ReferenceTensors,
    private readonly teacher: ClipModel,
    private readonly student: ClipModel,
  ) {}

  async all(): Promise<VerifyItem[]> {
    const items: VerifyItem[] = [];
    for (const name of ['teacher', 'student'] as const) items.push(...(await this.plainClip(name)));
    const stage1 = await this.stage1();
    items.push(...stage1.items);
    const stage2 = await this.stage2(stage1.prompts);
    items.push(...stage2);
    return items;
  }

  /** Runs `build` once on images of the case. */
  private async onImages(name: string, build: (images: Tensor) => Tensor): Promise<Float32Array> {
    const images = input(this.tensors.shape(name), name);
    const output = build(images);
    const plan = await Plan.compile(this.gpu, { outputs: [output] });
    write(this.gpu, images, await this.tensors.floats(name));
    plan.run();
    const values = await plan.read(output);
    plan.destroy();
    return values;
  }

  /** CLIP without prompts: features of both towers and logits. */
  private async plainClip(name: 'teacher' | 'student'): Promise<VerifyItem[]> {
    const model = this[name];
    const image = await this.onImages('given.test.images', (images) =>
      encodeImages(model.weights, model.config, images),
    );
    const tokens = await this.tensors.sequences('given.plain_tokens');
    const text = await encodeSequences(this.gpu, model, tokens);
    const { embed } = model.config;
    const unitImage = normalizeRows(image, embed);
    const unitText = normalizeRows(text, embed);
    const logits = new Float32Array((image.length / embed) * tokens.length);
    for (let i = 0; i < logits.length; i++) {
      const b = Math.floor(i / tokens.length);
      const c = i % tokens.length;
      let dot = 0;
      for (let e = 0; e < embed; e++) dot += unitImage[b * embed + e]! * unitText[c * embed + e]!;
      logits[i] = model.logitScale * dot;
    }
    const prefix = `expect.clip.${name}`;
    const found = new Map([
      ['image_features', image],
      ['text_features', text],
      ['logits_per_image', logits],
    ]);
    return prefixed(prefix, compareGroup(found, await this.tensors.group(prefix)));
  }

  private rates(stage: Stage): number[] {
    const perEpoch = stage.steps / stage.epochs;
    return Array.from({ length: stage.steps }, (_, step) =>
      cosineRate(
        {
          rate: stage.lr,
          epochs: stage.epochs,
          warmupEpochs: stage.warmup_epochs,
          warmupRate: stage.warmup_lr,
        },
        Math.floor(step / perEpoch) + 1,
      ),
    );
  }

  private async stage1(): Promise<{ items: VerifyItem[]; prompts: Prompts }> {
    const { gpu, given, tensors, teacher } = this;
    const { stage1 } = given;
    const items: VerifyItem[] = [];
    const { embed } = teacher.config;

    const templates = await tensors.sequences('given.template_tokens');
    const frozen = meanOverTemplates(
      await encodeSequences(gpu, teacher, templates),
      given.templates.length,
      embed,
    );
    // The case stores the unit vectors; training normalises the mean itself.
    items.push(
      ...prefixed(
        'expect.stage1',
        compareGroup(
          new Map([['frozen_text', normalizeRows(frozen, embed)]]),
          new Map([['frozen_text', await tensors.floats('expect.stage1.frozen_text')]]),
        ),
      ),
    );

    const prompts = promptVariables(
      {
        text: await tensors.list('given.teacher.prompts.text'),
        vision: await tensors.list('given.teacher.prompts.vision'),
      },
      teacher.config,
    );
    const step = await TeacherStep.create(
      gpu,
      teacher,
      prompts,
      await tensors.sequences('given.tokens'),
      frozen,
      {
        batch: stage1.batch,
        momentum: stage1.momentum,
        weightDecay: stage1.weight_decay,
        textWeight: stage1.w_text,
        imageWeight: stage1.w_image,
      },
    );
    const average = await PromptAverage.create(gpu, step.graph.parameters);
    const weights = gaussianWeights(stage1.epochs, stage1.gpa_mean, stage1.gpa_std);
    const rates = this.rates(stage1);
    const perEpoch = stage1.steps / stage1.epochs;
    const names = step.graph.parameters.map((p) => p.label);
    for (let s = 0; s < stage1.steps; s++) {
      write(gpu, step.graph.images, await tensors.floats(`given.stage1.images.${s}`));
      step.run(await tensors.integers(`given.stage1.labels.${s}`), rates[s]!);
      const losses = await step.readLosses();
      const expected = given.losses.stage1[s]!;
      items.push(item(`losses.stage1.${s}.lr`, relative(rates[s]!, expected.lr), TOLERANCE));
      for (const part of Object.keys(losses) as (keyof TeacherLosses)[])
        items.push(
          item(
            `losses.stage1.${s}.${part}`,
            relative(losses[part], expected[part], 1e-3 * expected.total),
            TOLERANCE,
          ),
        );
      if (s === 0)
        items.push(
          ...(await this.compareAll('expect.stage1.grad', names, (i) =>
            step.plan.read(step.graph.gradients[i]!),
          )),
        );
      if ((s + 1) % perEpoch === 0) average.add(weights[Math.floor(s / perEpoch)]!);
    }
    items.push(
      ...(await this.compareAll('expect.stage1.last', names, (i) =>
        readLeaf(gpu, step.graph.parameters[i]!),
      )),
    );
    const averaged = await average.read();
    items.push(...(await this.compareAll('expect.stage1.averaged', names, async (i) => averaged[i]!)));
    const split = prompts.text.length;
    const result = promptVariables(
      { text: averaged.slice(0, split), vision: averaged.slice(split) },
      teacher.config,
    );
    step.plan.destroy();
    average.destroy();
    return { items, prompts: result };
  }

  private async stage2(teacherPrompts: Prompts): Promise<VerifyItem[]> {
    const { gpu, given, tensors, teacher, student } = this;
    const { stage2 } = given;
    const items: VerifyItem[] = [];
    const { embed } = teacher.config;
    const tokens = await tensors.sequences('given.tokens');
    const vectors = normalizeRows(await encodeSequences(gpu, teacher, tokens, teacherPrompts.text), embed);
    items.push(
      ...prefixed(
        'expect',
        compareGroup(
          new Map([['class_vectors', vectors]]),
          new Map([['class_vectors', await tensors.floats('expect.class_vectors')]]),
        ),
      ),
    );
    const classes: ClassMatrix = { vectors, count: tokens.length, embed };

    const initial = await tensors.group('given.student.projection');
    const values = Object.fromEntries([
      ...PROJECTION_PARAMETERS.map((name) => [name, initial.get(name)]),
      ['bn.mean', new Float32Array(embed)],
      ['bn.var', new Float32Array(embed).fill(1)],
    ]) as ProjectionValues;
    const projection = projectionVariables(values, student.config.embed, embed);
    const prompts = promptVariables(
      { text: [], vision: await tensors.list('given.student.prompts.vision') },
      student.config,
    ).vision;
    const variables = { prompts, projection };
    const step = await StudentStep.create(
      gpu,
      student,
      variables,
      classes,
      { model: teacher, prompts: teacherPrompts.vision },
      {
        batch: stage2.batch,
        momentum: stage2.momentum,
        weightDecay: stage2.weight_decay,
        temperature: stage2.temperature,
        weight: stage2.kd_weight,
      },
    );
    const rates = this.rates(stage2);
    const names = step.graph.parameters.map((p) => p.label);
    for (let s = 0; s < stage2.steps; s++) {
      const images = await tensors.floats(`given.stage2.images.${s}`);
      write(gpu, step.graph.images, images);
      if (step.graph.teacherInput !== step.graph.images) write(gpu, step.graph.teacherInput, images);
      step.run(rates[s]!);
      const expected = given.losses.stage2[s]!;
      items.push(item(`losses.stage2.${s}.lr`, relative(rates[s]!, expected.lr), TOLERANCE));
      items.push(item(`losses.stage2.${s}.loss`, relative(await step.readLoss(), expected.loss), TOLERANCE));
      for (const [name, tensor] of [
        ['teacher_logits', step.graph.teacherLogits],
        ['student_logits', step.graph.logits],
      ] as const)
        if (tensors.has(`expect.stage2.${name}.${s}`))
          items.push(
            ...(await this.compareAll(`expect.stage2.${name}`, [String(s)], () => step.plan.read(tensor))),
          );
      if (s === 0)
        items.push(
          ...(await this.compareAll('expect.stage2.grad', names, (i) =>
            step.plan.read(step.graph.gradients[i]!),
          )),
        );
    }
    items.push(
      ...(await this.compareAll('expect.stage2.last', names, (i) =>
        readLeaf(gpu, step.graph.parameters[i]!),
      )),
    );
    const statistics = [projection['bn.mean'], projection['bn.var']];
    items.push(
      ...(await this.compareAll('expect.stage2.bn', ['mean', 'var'], (i) => readLeaf(gpu, statistics[i]!))),
    );
    step.plan.destroy();

    const logits = await this.onImages('given.test.images', (images) =>
      studentLogits(student, variables, classTensor(classes), images),
    );
    items.push(...(await this.compareAll('expect.eval', ['logits'], async () => logits)));
    items.push(...this.predictions(logits, classes.count));
    return items;
  }

  private predictions(logits: Float32Array, classes: number): VerifyItem[] {
    const base = baseCount(classes);
    const ranges = { all: [0, classes], base: [0, base], novel: [base, classes] } as const;
    return (Object.keys(ranges) as (keyof typeof ranges)[]).map((name) => {
      const [from, to] = ranges[name];
      const expected = this.given.predictions[name];
      const wrong = expected.filter(
        (label, i) => from + argmax(logits.subarray(i * classes, (i + 1) * classes), from, to) !== label,
      );
      return item(`predictions.${name}`, wrong.length, 0, 'predictions that differ');
    });
  }

  /** Compares the tensors `prefix.name` of the reference with `read(i)` for the i-th name. */
  private async compareAll(
    prefix: string,
    names: readonly string[],
    read: (index: number) => Promise<Float32Array>,
  ): Promise<VerifyItem[]> {
    const found = new Map<string, Float32Array>();
    const expected = new Map<string, Float32Array>();
    for (const [i, name] of names.entries()) {
      found.set(name, await read(i));
      expected.set(name, await this.tensors.floats(`${prefix}.${name}`));
    }
    return prefixed(prefix, compareGroup(found, expected));
  }
}

const relative = (found: number, expected: number, floor = 0): number =>
  Math.abs(found - expected) / Math.max(Math.abs(expected), floor);

const prefixed = (prefix: string, items: readonly VerifyItem[]): VerifyItem[] =>
  items.map((entry) => ({ ...entry, name: `${prefix}.${entry.name}` }));
