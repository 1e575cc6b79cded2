/**
 * Damaged checkpoints of every format: a message or a CLIP, nothing else, in little time and memory. `npm run fuzz` runs
 * 10,000 of each.
 */
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { fuzzTest } from '../helpers/fuzz.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { type Damaged, FORMATS } from './mutations.js';

/** Loads everything. */
async function read({ files, path }: Damaged): Promise<void> {
  const { tensors } = await loadCheckpoint(memoryPlatform(files), path);
  for (const tensor of tensors.values()) await tensor.read();
}

const size = ({ files }: Damaged) => Object.values(files).reduce((sum, file) => sum + file.length, 0);

for (const [name, make] of Object.entries(FORMATS)) fuzzTest(name, { make, read, size });
