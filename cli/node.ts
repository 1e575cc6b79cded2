/**
 * What programs of Node need beside the engine and the models.
 *
 * @module promptkd/node
 */

export { nodePlatform } from './platform/node.js';
export { relaunchIfNeeded } from './platform/relaunch.js';
