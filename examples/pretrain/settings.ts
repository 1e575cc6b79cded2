/** What a pre-training run is made of, and the sizes of model that have a name. */
import * as v from 'valibot';
import type { ClipConfig } from '../../models/clip/config.js';

/** The styles to learn from, by the names of their icon packages. */
export const STYLES = ['noto', 'noto-v1', 'twemoji', 'emojione'] as const;

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));
const positive = v.pipe(v.number(), v.gtValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

/** The settings of a run, with their defaults. */
export const SettingsSchema = v.strictObject({
  /** Which architecture, see `MODELS`. */
  model: v.optional(v.picklist(['small', 'student', 'teacher']), 'small'),
  styles: v.optional(v.pipe(v.array(v.picklist(STYLES)), v.minLength(1)), [...STYLES]),
  seed: v.optional(count(0), 1),
  epochs: v.optional(count(1), 20),
  /** Pairs of a step; each is told from the others of its batch. */
  batch: v.optional(count(2), 32),
  learningRate: v.optional(positive, 7e-4),
  warmupEpochs: v.optional(count(0), 2),
  weightDecay: v.optional(v.pipe(v.number(), v.minValue(0)), 0.1),
  /** Largest length of all gradients together. */
  clipNorm: v.optional(positive, 1),
  /** How often the caption of a drawing that has a class says its name instead of its class. */
  nameShare: v.optional(share, 0.3),
  /** Smallest part of a drawing's edge that a random crop shows. */
  cropEdge: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.7),
  /** Epochs between two evaluations; the last epoch is always evaluated. */
  evaluateEvery: v.optional(count(1), 5),
});
/** The settings of a run, complete. */
export type Settings = v.InferOutput<typeof SettingsSchema>;

/** Width and blocks of the towers; heads are `width / 64`, images 48 pixels wide. */
interface Size {
  readonly embed: number;
  readonly patch: number;
  readonly vision: readonly [width: number, layers: number];
  readonly text: readonly [width: number, layers: number];
}

/** `teacher` and `student` have the shapes of the pair in emoji-clip/; `small` shows within minutes that all of it works. */
export const MODELS: Readonly<Record<Settings['model'], Size>> = {
  small: { embed: 64, patch: 12, vision: [64, 2], text: [64, 1] },
  student: { embed: 64, patch: 8, vision: [64, 3], text: [64, 2] },
  teacher: { embed: 96, patch: 8, vision: [128, 4], text: [64, 2] },
};

/** The architecture of a size. `vocabulary` is that of the tokenizer. */
export function clipConfig(
  { embed, patch, vision, text }: Size,
  vocabulary: number,
  { resolution = 48, contextLength = 32 } = {},
): ClipConfig {
  const tower = ([width, layers]: readonly [number, number]) => ({ width, layers, heads: width / 64 });
  return {
    embed,
    vision: { ...tower(vision), patch, resolution, tokens: (resolution / patch) ** 2 + 1 },
    text: { ...tower(text), vocabulary, contextLength },
    activation: 'quickGelu',
    layerNormEps: 1e-5,
  };
}
