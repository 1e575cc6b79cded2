/** examples/pretrain from drawings to a CLIP on disk, on generated images: no icon package is needed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emojiClipFolder } from '../../cli/demo/emoji.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { type PretrainData, pretrain } from '../../examples/pretrain/pretrain.js';
import { clipConfig, SettingsSchema } from '../../examples/pretrain/settings.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import { parseSettings } from '../../models/promptkd/shared/settings.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';
import { metricsOf } from '../helpers/runFiles.js';
import { syntheticImage } from '../helpers/syntheticImage.js';

const root = temporaryFolder('pretrain');
const classNames = ['bird', 'clock', 'tool'];
const tokenizerFile = join(emojiClipFolder(), 'teacher', 'tokenizer.json');
const config = clipConfig({ embed: 16, patch: 16, vision: [64, 1], text: [64, 1] }, 1024);
const settings = parseSettings(
  SettingsSchema,
  { epochs: 20, batch: 6, learningRate: 1e-3, warmupEpochs: 5, nameShare: 0, evaluateEvery: 8 },
  'the test',
);

/** Synthetic images in three inks, one a class: easy to tell apart. */
async function tinyData(): Promise<PretrainData> {
  const drawing = (index: number) => {
    const label = index % 3;
    const image = syntheticImage(20, 20, index + 1);
    for (let i = 0; i < image.data.length; i++) image.data[i] = i % 3 === label ? image.data[i]! >> 1 : 255;
    return { name: `thing ${index}`, style: 'one', label, image };
  };
  const drawings = Array.from({ length: 33 }, (_, i) => drawing(i));
  return {
    training: drawings.slice(0, 24),
    held: { held: drawings.slice(24) },
    classNames,
    tokenizer: await loadTokenizer(nodePlatform, tokenizerFile),
    tokenizerFile: readFileSync(tokenizerFile, 'utf8'),
  };
}

it('learns, logs, and leaves a CLIP that loads', async () => {
  const out = join(root, 'whole');
  const data = await tinyData();
  const job = await testJob();
  const found = await pretrain(job, data, config, settings, out);
  const lines = metricsOf(out);
  const losses = lines.flatMap(({ loss }) => loss ?? []);
  expect(losses.length).toBe(20 * 4);
  expect(losses.every(Number.isFinite)).toBe(true);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(losses.slice(-4))).toBeLessThan(mean(losses.slice(0, 4)) / 2);
  expect(lines.filter((line) => 'held' in line).map(({ epoch }) => epoch)).toEqual([8, 16, 20]);
  expect(found.held!.all).toBe(100);

  const checkpoint = await loadCheckpoint(nodePlatform, out);
  expect(checkpoint.config).toEqual(config);
  expect(checkpoint.metadata).toMatchObject({ seed: '1', 'accuracy.held': '100' });
  const classifier = await Classifier.plain(job, out, classNames);
  expect(classifier.classNames).toEqual(classNames);
  classifier.destroy();
  await expect(pretrain(job, data, config, settings, out)).rejects.toThrow(UserError);
});

it('ends with the same bits when it was interrupted and resumed', async () => {
  const out = join(root, 'interrupted');
  const data = await tinyData();
  const interrupting = await testJob((label, done) => {
    if (label.startsWith('training') && done > 21) throw new Error('killed');
  });
  await expect(pretrain(interrupting, data, config, settings, out)).rejects.toThrow('killed');
  await pretrain(await testJob(), data, config, settings, out, { resume: true });
  const bytes = (run: string) => readFileSync(join(root, run, 'model.safetensors'));
  expect(bytes('interrupted').equals(bytes('whole'))).toBe(true);
  expect(metricsOf(out)).toEqual(metricsOf(join(root, 'whole')));
});
