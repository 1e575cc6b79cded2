/** The numbers of a training case: `case.json`. */
import * as v from 'valibot';
import { cosineRate, UserError } from '../../engine/index.js';
import type { Platform } from '../../models/platform.js';
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
/** The numbers of a training case, as `case.json` holds them. */
export type Case = v.InferOutput<typeof CaseSchema>;
/** Hyper-parameters of one stage. */
export type Stage = Case['stage1'] | Case['stage2'];

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

/** The learning rate of every step: that of its epoch. */
export function caseRates({ steps, epochs, lr, warmup_epochs, warmup_lr }: Stage): number[] {
  const schedule = { rate: lr, epochs, warmupEpochs: warmup_epochs, warmupRate: warmup_lr };
  const perEpoch = steps / epochs;
  return Array.from({ length: steps }, (_, step) => cosineRate(schedule, Math.floor(step / perEpoch) + 1));
}
