/** Notes about where a checkpoint comes from. */
import type { Job } from '../job.js';
import type { ClipCheckpoint } from './load.js';

/**
 * Says when a checkpoint is one of OpenAI's own, by its SHA-256: the weights are then what a paper's table needs. Says
 * as well when the activation of an open_clip file is a guess, since the wrong one costs accuracy without an error, and
 * what `noteNames` says.
 */
export async function noteOfficial(job: Pick<Job, 'note'>, checkpoint: ClipCheckpoint): Promise<void> {
  noteNames(job, checkpoint);
  const name = await checkpoint.officialName();
  if (name !== undefined) job.note(`${checkpoint.path} is OpenAI's ${name}`);
  else if (checkpoint.activationAssumed && /open_clip/.test(`${checkpoint.format} ${checkpoint.path}`))
    job.note(
      `${checkpoint.path} has no config beside it: its activation is taken for QuickGELU, as in OpenAI's CLIP; ` +
        'for a model of open_clip, put its open_clip_config.json there',
    );
}

/** Says what was done to a checkpoint's names, such as a wrapper's prefix taken off. */
export function noteNames(job: Pick<Job, 'note'>, { path, notes }: ClipCheckpoint): void {
  for (const note of notes) job.note(`${path}: ${note}`);
}
