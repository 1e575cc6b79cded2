/**
 * Settings of the demo's teacher, chosen for a few minutes on two CPU cores: small batches, and a few fixed crops per image, so
 * that frozen features are computed once.
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
 * Settings of the demo's student, chosen by the mean of four seeds (docs/decisions.md). Prompts in more than one block and
 * crops of less than half an emoji hurt such a small model. The paper's learning rate is as good as any, but its warm-up
 * rate would waste one of few epochs.
 */
export const DEMO_STUDENT = {
  epochs: 24,
  batch: 8,
  views: 6,
  cropScale: 0.5,
  visionDepth: 1,
  warmupLearningRate: 0.001,
  // For the curve in the report; the training does not depend on it.
  evalEvery: 4,
} as const;
