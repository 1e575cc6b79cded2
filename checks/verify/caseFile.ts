/** The numbers of a training case: `case.json`. */
import * as v from 'valibot';
import { cosineRate, UserError } from '../../engine/index.js';
import type { ClipConfig } from '../../models/clip/config.js';
import type { Platform } from '../../models/platform.js';
import {
  defaultStudent,
  defaultTeacher,
  type RateSettings,
  type ResolvedStudent,
  type ResolvedTeacher,
  schedule,
} from '../../models/promptkd/shared/defaults.js';
import { checkJson, readJson } from './json.js';

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
/** What `case.json` holds. */
export type Case = v.InferOutput<typeof CaseSchema>;
/** Hyper-parameters of one stage. */
type Stage = Case['stage1'] | Case['stage2'];

/** @throws UserError naming the field that is missing or wrong */
export async function readCase(platform: Platform, folder: string): Promise<Case> {
  const file = platform.join(folder, 'case.json');
  const given = checkJson(CaseSchema, await readJson(platform, file), file);
  for (const name of ['stage1', 'stage2'] as const) {
    const { steps, epochs } = given[name];
    const found = given.losses[name].length;
    if (steps % epochs !== 0)
      throw new UserError(
        `${file}: ${name}: ${steps} steps are no ${epochs} equal epochs`,
        'restore the file',
      );
    if (found !== steps)
      throw new UserError(
        `${file}: losses.${name} has ${found} entries for ${steps} steps`,
        'restore the file',
      );
  }
  return given;
}

/** The settings of both stages that a case was computed with; what it does not say is the default. */
export const caseSettings = (
  { stage1, stage2 }: Pick<Case, 'stage1' | 'stage2'>,
  teacher: ClipConfig,
  student: ClipConfig,
): { readonly teacher: ResolvedTeacher; readonly student: ResolvedStudent } => ({
  teacher: defaultTeacher(teacher, {
    ...common(stage1),
    textWeight: stage1.w_text,
    imageWeight: stage1.w_image,
    averageMean: stage1.gpa_mean,
    averageDeviation: stage1.gpa_std,
  }),
  student: defaultStudent(student, {
    ...common(stage2),
    temperature: stage2.temperature,
    kdWeight: stage2.kd_weight,
  }),
});

const common = ({ batch, epochs, lr, momentum, weight_decay, warmup_epochs, warmup_lr }: Stage) => ({
  ...{ batch, epochs, momentum, learningRate: lr, weightDecay: weight_decay },
  ...{ warmupEpochs: warmup_epochs, warmupLearningRate: warmup_lr },
});

/** The learning rate of every step: that of its epoch. */
export function caseRates(settings: RateSettings, steps: number): number[] {
  const rates = schedule(settings, settings.batch);
  const perEpoch = steps / settings.epochs;
  return Array.from({ length: steps }, (_, step) => cosineRate(rates, Math.floor(step / perEpoch) + 1));
}
