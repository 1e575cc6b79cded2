/** Training: gradients, optimisers, loss scaling and checks of magnitudes. */

export * from './adamW.js';
export * from './autograd.js';
export * from './clipGradients.js';
export * from './lossScale.js';
export * from './magnitude.js';
export * from './optim.js';
