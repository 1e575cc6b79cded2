import { temporaryFolder } from '../helpers/files.js';
import { kills } from './kills.js';
import { torture } from './kit.js';

const folder = temporaryFolder('kills');

torture('kills', 3, (options) => kills(folder, options));
