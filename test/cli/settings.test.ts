import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../../cli/settings.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('settings');

/** The settings that a command line gives. */
async function settings(stage: 'teacher' | 'student', ...args: string[]) {
  const command = addSettingsOptions(new Command('test').exitOverride(), stage);
  command.configureOutput({ writeErr: () => {}, outputError: () => {} });
  command.parse(['--out', join(folder, 'out'), ...args], { from: 'user' });
  return readSettings(nodePlatform, stage, command.opts() as SettingsFlags);
}

describe('settings', () => {
  it("are the paper's by default", async () => {
    const found = await settings('student', '--teacher', 't', '--clip', 'c', '--data', 'd');
    expect(found).toMatchObject({
      epochs: 20,
      batch: 8,
      learningRate: 0.005,
      temperature: 1,
      kdLoss: 'kl',
      train: 'prompts',
      imagesPerClass: 0,
    });
  });

  it('can all be flags, which override the file', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, 'epochs: 3\nkdWeight: 200\ndata: images\nkind: student\n');
    const flags = [
      '--config',
      file,
      '--teacher',
      't',
      '--clip',
      'c',
      '--kd-weight',
      '1e2',
      '--warmup-learning-rate',
      '0.1',
    ];
    const found = await settings('student', ...flags);
    expect(found).toMatchObject({ epochs: 3, kdWeight: 100, data: 'images', warmupLearningRate: 0.1 });
    // In the order of the file, then the rest.
    expect(Object.keys(found).slice(0, 3)).toEqual(['epochs', 'kdWeight', 'data']);
  });

  it.each([
    [['--epochs', '1.5'], /epochs/],
    [['--momentum', '1'], /momentum/],
    [['--batch', 'x'], /Give a number/],
    [['--shots', '1'], /unknown option/],
    [['--projection-layers', '4'], /projectionLayers/],
    [['--kd-loss', 'huber'], /kdLoss: .*"symmetric-kl"/],
    [['--template', 'a photo'], /template: it has no \{\}/],
  ])('refuse %j', async (flags, message) => {
    await expect(
      settings('student', '--teacher', 't', '--clip', 'c', '--data', 'd', ...flags),
    ).rejects.toThrow(message);
  });

  it('include the share of broken images and links out of the data folder', async () => {
    const found = (...args: string[]) => settings('teacher', '--clip', 'c', '--data', 'd', ...args);
    expect(await found()).toMatchObject({ maxBroken: 0.1, allowOutside: false });
    expect(await found('--max-broken', '0.3', '--allow-outside')).toMatchObject({
      maxBroken: 0.3,
      allowOutside: true,
    });
    expect(await found('--strict')).toMatchObject({ maxBroken: 0 });
    await expect(found('--max-broken', '1.1')).rejects.toThrow(/maxBroken/);
  });

  it('refuse a file that is a list', async () => {
    const file = join(folder, 'b.yaml');
    writeFileSync(file, '- 1\n');
    await expect(settings('teacher', '--config', file)).rejects.toThrow(/b\.yaml holds no settings/);
  });
});
