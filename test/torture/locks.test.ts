import { temporaryFolder } from '../helpers/files.js';
import { torture } from './kit.js';
import { locks } from './locks.js';

const folder = temporaryFolder('locks');

torture('locks', 2, (options) => locks(folder, options));
