/**
 * What the demo trains with. Chosen for a clear gain within some minutes on two processor cores: small batches, and a few
 * fixed crops of each image, so that what the frozen models say of them is computed once.
 */
export const DEMO_TEACHER = {
  classes: 'base',
  shots: 16,
  epochs: 8,
  batch: 8,
  views: 4,
  cropScale: 0.6,
  learningRate: 0.01,
  textDepth: 2,
  visionDepth: 4,
} as const;

/** Deeper prompts than one block's, and crops of less than half an emoji, only hurt so small a model. */
export const DEMO_STUDENT = {
  epochs: 16,
  batch: 8,
  views: 6,
  cropScale: 0.5,
  visionDepth: 1,
  learningRate: 0.02,
  kdWeight: 1000,
} as const;
