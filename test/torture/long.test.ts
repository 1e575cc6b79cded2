import { temporaryFolder } from '../helpers/files.js';
import { torture } from './kit.js';
import { long } from './long.js';

const folder = temporaryFolder('long');

torture('long', 400, (options) => long(folder, options));
