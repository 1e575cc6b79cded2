/** Stage 2 of a training case: class vectors, losses, gradients, parameters, BatchNorm statistics and predictions. */
import { readLeaf, write } from '../../engine/index.js';
import { encodeSequences } from '../../models/clip/textEncoder.js';
import { normalizeRows } from '../../models/promptkd/classVectors/classVectors.js';
import { argmax, baseCount } from '../../models/promptkd/shared/evaluate.js';
import {
  type ClassVectorRows,
  classTensor,
  type StudentVariables,
  studentLogits,
} from '../../models/promptkd/shared/logits.js';
import { projectionParameters, projectionVariables } from '../../models/promptkd/shared/projection.js';
import { type Prompts, promptVariables } from '../../models/promptkd/shared/prompts.js';
import { TrainingStep } from '../../models/promptkd/shared/trainingStep.js';
import { studentGraph } from '../../models/promptkd/stage2/step.js';
import { type CaseContext, relative } from './caseContext.js';
import { caseRates } from './caseFile.js';
import { requireResolution } from './formats.js';
import { item, TOLERANCE, type VerifyItem } from './item.js';

/** @param teacherPrompts the averaged prompts of stage 1 */
export async function verifyStage2(context: CaseContext, teacherPrompts: Prompts): Promise<VerifyItem[]> {
  const { gpu, tensors, teacher, student } = context;
  const { embed } = teacher.config;
  const tokens = await tensors.sequences('given.tokens');
  const vectors = normalizeRows(await encodeSequences(gpu, teacher, tokens, teacherPrompts.text), embed);
  const items = await context.compareAll('expect', ['class_vectors'], async () => vectors);
  const classes: ClassVectorRows = { vectors, count: tokens.length, embed };
  const variables = await initialVariables(context);

  items.push(...(await verifySteps(context, teacherPrompts, classes, variables)));

  const statistics = [variables.projection['bn.mean'], variables.projection['bn.var']];
  items.push(
    ...(await context.compareAll('expect.stage2.bn', ['mean', 'var'], (i) => readLeaf(gpu, statistics[i]!))),
  );
  const logits = await context.onImages('given.test.images', student, (images) =>
    studentLogits(student, variables, classTensor(classes), images),
  );
  items.push(...(await context.compareAll('expect.eval', ['logits'], async () => logits)));
  items.push(...comparePredictions(context, logits, classes.count));
  context.advance();
  return items;
}

async function initialVariables({ tensors, teacher, student }: CaseContext): Promise<StudentVariables> {
  const { embed } = teacher.config;
  const initial: Record<string, Float32Array> = {
    'bn.mean': new Float32Array(embed),
    'bn.var': new Float32Array(embed).fill(1),
  };
  for (const name of projectionParameters())
    initial[name] = await tensors.floats(`given.student.projection.${name}`);
  const vision = await tensors.list('given.student.prompts.vision');
  return {
    prompts: promptVariables({ text: [], vision }, student.config).vision,
    projection: projectionVariables(initial, student.config.embed, embed),
  };
}

async function verifySteps(
  context: CaseContext,
  teacherPrompts: Prompts,
  classes: ClassVectorRows,
  variables: StudentVariables,
): Promise<VerifyItem[]> {
  const { gpu, reference, tensors, teacher, student } = context;
  const { stage2 } = reference;
  const items: VerifyItem[] = [];
  const settings = context.settings.student;
  const source = { model: teacher, prompts: teacherPrompts.vision };
  const graph = studentGraph(student, variables, classTensor(classes), source, settings);
  const step = await TrainingStep.compile(gpu, graph, {
    inspect: true,
    onProgress: (done, total) => context.advance(done / total),
  });
  const rates = caseRates(settings, stage2.steps);
  const names = graph.parameters.map((p) => p.label);
  const floor = 1e-3 * Math.max(...reference.losses.stage2.map(({ loss }) => loss));
  for (let s = 0; s < stage2.steps; s++) {
    const name = `given.stage2.images.${s}`;
    for (const model of [student, teacher]) requireResolution(model, tensors.shape(name));
    write(gpu, graph.images, await tensors.floats(name));
    step.run(rates[s]!);
    const expected = reference.losses.stage2[s]!;
    const loss = (await step.readLosses()).losses.loss;
    items.push(item(`losses.stage2.${s}.lr`, relative(rates[s]!, expected.lr), TOLERANCE));
    items.push(item(`losses.stage2.${s}.loss`, relative(loss, expected.loss, floor), TOLERANCE));
    for (const [logits, tensor] of [
      ['teacher_logits', graph.teacherLogits],
      ['student_logits', graph.logits],
    ] as const) {
      const prefix = `expect.stage2.${logits}`;
      if (tensors.has(`${prefix}.${s}`))
        items.push(...(await context.compareAll(prefix, [String(s)], () => step.plan.read(tensor))));
    }
    if (s === 0)
      items.push(
        ...(await context.compareAll('expect.stage2.grad', names, (i) =>
          step.plan.read(graph.gradients[i]!),
        )),
      );
    context.advance();
  }
  items.push(
    ...(await context.compareAll('expect.stage2.last', names, (i) => readLeaf(gpu, graph.parameters[i]!))),
  );
  step.destroy();
  return items;
}

/** Labels by the largest logit: of all classes, of the base half, of the novel half. */
function comparePredictions(
  { reference: { predictions } }: CaseContext,
  logits: Float32Array,
  classes: number,
): VerifyItem[] {
  const base = baseCount(classes);
  const ranges = { all: [0, classes], base: [0, base], novel: [base, classes] } as const;
  return (Object.keys(ranges) as (keyof typeof ranges)[]).map((name) => {
    const [from, to] = ranges[name];
    const wrong = predictions[name].filter(
      (label, i) => from + argmax(logits.subarray(i * classes, (i + 1) * classes), from, to) !== label,
    );
    return item(`predictions.${name}`, wrong.length, 0, 'predictions that differ');
  });
}
