import { temporaryFolder } from '../helpers/files.js';
import { torture } from './kit.js';
import { writes } from './writes.js';

const folder = temporaryFolder('writes');

torture('writes', 16, (options) => writes(folder, options));
