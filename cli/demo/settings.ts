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

/**
 * Deeper prompts than one block's, and crops of less than half an emoji, only hurt so small a model. Chosen by the mean of
 * four seeds (docs/decisions.md): the paper's learning rate is as good as any, its warm-up rate costs an epoch of few.
 */
export const DEMO_STUDENT = {
  epochs: 24,
  batch: 8,
  views: 6,
  cropScale: 0.5,
  visionDepth: 1,
  warmupLearningRate: 0.001,
} as const;
