/** Says when a checkpoint is one of OpenAI's own, by its SHA-256: the weights are then what a paper's table needs. */
import type { Job } from '../job.js';
import type { ClipCheckpoint } from './load.js';

export async function noteOfficial(job: Pick<Job, 'note'>, checkpoint: ClipCheckpoint): Promise<void> {
  const name = await checkpoint.officialName();
  if (name !== undefined) job.note(`${checkpoint.path} is OpenAI's ${name}`);
}
