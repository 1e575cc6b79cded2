import { temporaryFolder } from '../helpers/files.js';
import { flips } from './flips.js';
import { torture } from './kit.js';

const folder = temporaryFolder('flips');

torture('flips', 3, (options) => flips(folder, options));
