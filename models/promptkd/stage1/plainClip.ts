/** Plain zero-shot CLIP as a teacher: a run folder like that of a tuned one, without prompts and without training. */
import { loadCheckpoint } from '../../checkpoints/load.js';
import { noteNames } from '../../checkpoints/official.js';
import { zeroShotTemplate } from '../../clip/templates.js';
import { loadDataset } from '../../datasets/loadDataset.js';
import type { Job } from '../../job.js';
import { type RunOptions, withRunFolder } from '../../runs/runFolder.js';
import { TEACHER_FILE } from '../files/learnedFile.js';
import { encodeTeacher } from '../files/teacherFile.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import type { TeacherSettings } from '../shared/settings.js';

/** Writes the folder with the prompt that suits the data set (docs/method.md 6.5). */
export async function runPlainTeacher(
  job: Job,
  requested: TeacherSettings,
  out: string,
  options: RunOptions,
): Promise<void> {
  const { platform } = job;
  const checkpoint = await loadCheckpoint(platform, requested.clip);
  noteNames(job, checkpoint);
  // Not needed before class vectors are made: a missing one is reported now.
  await openTokenizer(platform, requested);
  const { name } = await loadDataset(platform, requested.data, requested);
  const { method, clip, tokenizer, data, dataset, template = zeroShotTemplate(name) } = requested;
  const settings = { method, clip, tokenizer, data, dataset, template };
  const origin = { template, classNames: [], clip, clipHash: await checkpoint.sha256() };
  await withRunFolder(platform, out, 'teacher', settings, options, (folder) =>
    folder.write(TEACHER_FILE, encodeTeacher({ text: [], vision: [] }, checkpoint.config, origin)),
  );
  job.note(`the prompt of plain CLIP is "${template}"`);
}
