/**
 * What programs of Node need beside the engine and the models.
 *
 * @module promptkd/node
 */

export { reportHtml } from '../report/runReport.js';
export { nodePlatform } from './platform/node.js';
export { relaunchIfNeeded } from './platform/relaunch.js';
