/** The command line accepts every command of docs/ablations.md, with the settings that its row describes. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags, type Stage } from '../../cli/settings.js';
import { KNOWN_MODELS } from '../../models/clip/knownModels.js';
import { resolveStudent, resolveTeacher } from '../../models/promptkd/shared/defaults.js';
import type { StudentSettings, TeacherSettings } from '../../models/promptkd/shared/settings.js';

const doc = readFileSync(new URL('../../docs/ablations.md', import.meta.url), 'utf8');

/** Shell variables that the document sets in its first block. */
const variables = new Map([...doc.matchAll(/^(\w+)="(.*)"$/gm)].map(([, name, value]) => [name!, value!]));
const expand = (text: string): string => {
  const expanded = text.replace(/\$(\w+)/g, (all, name: string) => variables.get(name) ?? all);
  return expanded === text ? text : expand(expanded);
};

/** Complete `teacher` and `distill` commands, as words. */
const commands = [...doc.matchAll(/`([^`\n]+)`/g)]
  .map(([, code]) => expand(code!))
  .filter((code) => /^promptkd (teacher|distill) .*--out/.test(code))
  .map((code) => [...code.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!));

async function settingsOf([, name, ...flags]: string[]) {
  const stage: Stage = name === 'teacher' ? 'teacher' : 'student';
  const command = addSettingsOptions(new Command('test').exitOverride(), stage);
  command.configureOutput({ writeErr: () => {}, outputError: () => {} });
  command.parse(flags, { from: 'user' });
  const options = command.opts() as SettingsFlags;
  const settings = await readSettings(nodePlatform, stage, options);
  if (stage === 'student') resolveStudent(settings as StudentSettings, KNOWN_MODELS['ViT-B/16']);
  else if ((settings as TeacherSettings).method !== 'clip')
    resolveTeacher(settings as Parameters<typeof resolveTeacher>[0], KNOWN_MODELS['ViT-L/14']);
  return { out: options.out, settings };
}

it('has a command for every row, which the command line accepts', async () => {
  expect(commands.length).toBeGreaterThan(20);
  const found = new Map<string, object>();
  for (const command of commands) {
    const { out, settings } = await settingsOf(command);
    // A run folder that is named twice must be the same run.
    if (found.has(out)) expect(settings, out).toEqual(found.get(out));
    found.set(out, settings);
  }
  expect(Object.fromEntries(found)).toMatchObject({
    'runs/student': { kdLoss: 'kl', train: 'prompts', imagesPerClass: 64, textFeatures: 'teacher' },
    'runs/l1': { kdLoss: 'l1' },
    'runs/mse': { kdLoss: 'mse' },
    'runs/projector': { train: 'projection' },
    'runs/full': { train: 'all' },
    'runs/own': { textFeatures: 'student' },
    'runs/clip': { method: 'clip' },
    'runs/from-clip': { teacher: 'runs/clip' },
    'runs/16': { imagesPerClass: 16 },
    'runs/all': { imagesPerClass: 0 },
    'runs/cold': { temperature: 0.1 },
    'runs/one': { projectionLayers: 1 },
    'runs/three': { projectionLayers: 3 },
    'runs/student-b32': { clip: 'ViT-B-32', imagesPerClass: 0 },
    'runs/ivlp': { method: 'ivlp' },
    'runs/coop': { method: 'coop' },
  });
});
