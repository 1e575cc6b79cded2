/**
 * What the demo trains with. Chosen for a clear gain within some minutes on two processor cores: small batches, and a few
 * fixed crops of each image, so that what the frozen models say of them is computed once.
 */
export const DEMO_TEACHER = {
  classes: 'base',
  shots: 8,
  epochs: 10,
  batch: 8,
  views: 4,
  textDepth: 2,
  visionDepth: 4,
} as const;

export const DEMO_STUDENT = {
  epochs: 20,
  batch: 8,
  views: 8,
  visionDepth: 3,
  learningRate: 0.005,
  kdWeight: 1000,
} as const;
