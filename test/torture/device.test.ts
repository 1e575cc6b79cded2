import { temporaryFolder } from '../helpers/files.js';
import { device } from './device.js';
import { torture } from './kit.js';

const folder = temporaryFolder('device');

torture('device', 3, (options) => device(folder, options));
