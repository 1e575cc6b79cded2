/** Stage 1 of a training case: frozen text features, losses, gradients of the first step, prompts after the last. */
import { readLeaf, write } from '../../engine/index.js';
import { encodeSequences } from '../../models/clip/textEncoder.js';
import { meanOverTemplates, normalizeRows } from '../../models/promptkd/classVectors/classVectors.js';
import { type Prompts, promptVariables } from '../../models/promptkd/shared/prompts.js';
import { TrainingStep } from '../../models/promptkd/shared/trainingStep.js';
import { classInputs } from '../../models/promptkd/stage1/classInputs.js';
import { PromptAverage } from '../../models/promptkd/stage1/promptAverage.js';
import { teacherGraph } from '../../models/promptkd/stage1/step.js';
import type { StepLosses } from '../../models/runs/train.js';
import { type CaseContext, relative } from './caseContext.js';
import { caseRates } from './caseFile.js';
import { requireResolution } from './formats.js';
import { item, TOLERANCE, type VerifyItem } from './item.js';

/** Also gives the averaged prompts, which stage 2 uses. */
export async function verifyStage1(context: CaseContext): Promise<{ items: VerifyItem[]; prompts: Prompts }> {
  const { gpu, reference, tensors, teacher } = context;
  const settings = context.settings.teacher;
  const { stage1 } = reference;
  const { embed } = teacher.config;

  const templates = await tensors.sequences('given.template_tokens');
  const [templateCount] = tensors.shape('given.template_tokens') as [number];
  const frozen = meanOverTemplates(await encodeSequences(gpu, teacher, templates), templateCount, embed);
  // The case stores the unit vectors; training normalises the mean itself.
  const items = await context.compareAll('expect.stage1', ['frozen_text'], async () =>
    normalizeRows(frozen, embed),
  );

  const values = {
    text: await tensors.list('given.teacher.prompts.text'),
    vision: await tensors.list('given.teacher.prompts.vision'),
  };
  const prompts = promptVariables(values, teacher.config);
  const classes = await classInputs(teacher, await tensors.sequences('given.tokens'), frozen);
  const graph = teacherGraph(teacher, prompts, classes, settings);
  const step = await TrainingStep.compile(gpu, graph, {
    inspect: true,
    onProgress: (done, total) => context.advance(done / total),
  });
  const average = await PromptAverage.create(gpu, graph.parameters, settings);
  const rates = caseRates(settings, stage1.steps);
  const perEpoch = stage1.steps / stage1.epochs;
  const names = graph.parameters.map((p) => p.label);
  for (let s = 0; s < stage1.steps; s++) {
    requireResolution(teacher, tensors.shape(`given.stage1.images.${s}`));
    write(gpu, graph.images, await tensors.floats(`given.stage1.images.${s}`));
    write(gpu, graph.labels, await tensors.integers(`given.stage1.labels.${s}`));
    step.run(rates[s]!);
    const expected = reference.losses.stage1[s]!;
    items.push(item(`losses.stage1.${s}.lr`, relative(rates[s]!, expected.lr), TOLERANCE));
    items.push(...compareLosses(s, (await step.readLosses()).losses, expected));
    if (s === 0)
      items.push(
        ...(await context.compareAll('expect.stage1.grad', names, (i) =>
          step.plan.read(graph.gradients[i]!),
        )),
      );
    if ((s + 1) % perEpoch === 0) average.endEpoch((s + 1) / perEpoch);
    context.advance();
  }
  items.push(
    ...(await context.compareAll('expect.stage1.last', names, (i) => readLeaf(gpu, graph.parameters[i]!))),
  );
  const averaged = await average.read();
  items.push(...(await context.compareAll('expect.stage1.averaged', names, async (i) => averaged[i]!)));
  step.destroy();
  average.destroy();
  const split = prompts.text.length;
  const result = { text: averaged.slice(0, split), vision: averaged.slice(split) };
  return { items, prompts: promptVariables(result, teacher.config) };
}

/** The loss of one step and its parts, with a thousandth of the total as the floor. */
function compareLosses(
  step: number,
  { loss: total, ...parts }: StepLosses,
  expected: Readonly<Record<string, number>>,
): VerifyItem[] {
  return Object.entries({ total, ...parts }).map(([part, found]) =>
    item(
      `losses.stage1.${step}.${part}`,
      relative(found, expected[part]!, 1e-3 * expected.total!),
      TOLERANCE,
    ),
  );
}
