/** `promptkd/node`: what programs of Node need beside the engine and the models. */
export { nodePlatform } from './platform/node.js';
export { relaunchIfNeeded } from './platform/relaunch.js';
