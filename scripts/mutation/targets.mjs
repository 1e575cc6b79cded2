/**
 * Which tests must notice a fault in which source file. A file's own tests lie at the same place under test/; here is what else
 * belongs to it, and what is run on the whole when no file is named.
 */
import { existsSync } from 'node:fs';

const DISTILLATION = 'test/models/promptkd/stage2/distillation.test.ts';
const RESOURCES = 'test/models/promptkd/runResources.test.ts';
/** Whole small runs. */
const RUNS = [
  ...['goldenRuns', 'runs', 'resumedRuns', 'wiring'].map((name) => `test/models/promptkd/${name}.test.ts`),
  RESOURCES,
];
const BETWEEN_EPOCHS = 'test/models/promptkd/stage2/betweenEpochs.test.ts';

/** Sources of `npm run mutate` without arguments, with tests beside those of the mirrored tree. */
export const TARGETS = {
  'engine/train/autograd.ts': [],
  'engine/train/optim.ts': [],
  'engine/train/adamW.ts': [],
  'engine/train/clipGradients.ts': ['test/engine/train/adamW.test.ts'],
  'engine/train/lossScale.ts': [],
  'engine/train/magnitude.ts': [],
  'engine/graph/traverse.ts': [],
  'engine/graph/fuse.ts': ['test/engine/graph/fuseRules.test.ts', 'test/properties/graphs.test.ts'],
  'engine/gpu/schedule.ts': [],
  'engine/gpu/plan.ts': [
    'test/engine/gpu/planBuffers.test.ts',
    'test/engine/gpu/planChoices.test.ts',
    'test/engine/gpu/outOfMemory.test.ts',
    'test/engine/gpu/submissions.test.ts',
  ],
  'models/promptkd/shared/defaults.ts': [],
  'models/promptkd/shared/evaluate.ts': [],
  'models/promptkd/shared/fixedCrops.ts': [],
  'models/promptkd/shared/gradientsAndUpdate.ts': [],
  'models/promptkd/shared/health.ts': [],
  'models/promptkd/shared/logits.ts': ['test/models/promptkd/stage2/step.test.ts', DISTILLATION],
  'models/promptkd/shared/losses.ts': ['test/models/promptkd/stage2/step.test.ts', DISTILLATION],
  'models/promptkd/shared/projection.ts': [],
  'models/promptkd/shared/prompts.ts': [],
  'models/promptkd/shared/stageRun.ts': RUNS,
  'models/promptkd/shared/trainingStep.ts': [],
  'models/promptkd/stage1/promptAverage.ts': [RESOURCES],
  'models/promptkd/stage1/run.ts': [...RUNS, 'test/models/promptkd/stage1/plainClip.test.ts'],
  'models/promptkd/stage1/step.ts': [],
  'models/promptkd/stage2/bestEpoch.ts': [BETWEEN_EPOCHS, RESOURCES],
  'models/promptkd/stage2/betweenEpochs.ts': [RESOURCES],
  'models/promptkd/stage2/run.ts': [...RUNS, BETWEEN_EPOCHS],
  'models/promptkd/stage2/step.ts': ['test/models/promptkd/stage2/teacherFeatures.test.ts', DISTILLATION],
  'models/promptkd/stage2/teacherFeatures.ts': [],
};

/** @returns {string[]} the test files of a source file */
export function testsOf(source) {
  const mirrored = `test/${source.replace(/\.ts$/, '.test.ts')}`;
  return [mirrored, ...(TARGETS[source] ?? [])].filter((file) => existsSync(file));
}
