import { temporaryFolder } from '../helpers/files.js';
import { torture } from './kit.js';
import { nan } from './nan.js';

const folder = temporaryFolder('nan');

torture('nan', 16, (options) => nan(folder, options));
