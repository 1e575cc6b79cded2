/** All operations, one line each. A new operation needs a shader, a file here, a test and a line in this list. */

export * from './activation.js';
export * from './add.js';
export * from './attention.js';
export * from './batchNorm.js';
export * from './broadcast.js';
export * from './cast.js';
export * from './checkpoint.js';
export * from './crossEntropy.js';
export * from './exp.js';
export * from './gatherRows.js';
export * from './klSoftmax.js';
export * from './l2Normalize.js';
export * from './layerNorm.js';
export * from './linear.js';
export * from './matmul.js';
export * from './mean.js';
export * from './meanDifference.js';
export * from './multiply.js';
export * from './patches.js';
export * from './reduce.js';
export * from './reshape.js';
export * from './softmax.js';
export * from './tokens.js';
export * from './transpose.js';
