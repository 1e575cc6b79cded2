import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fillTemplate, PROMPTSRC_TEMPLATES, zeroShotTemplate } from '../../../models/clip/templates.js';
import { LAYOUTS } from '../../../models/datasets/layouts.js';

test('the 60 templates are the published ones, in order', () => {
  expect(PROMPTSRC_TEMPLATES.length).toBe(60);
  expect(createHash('sha256').update(PROMPTSRC_TEMPLATES.join('\n')).digest('hex')).toBe(
    'dc3398ed3ffc7c259342582bc0f36d7ac66c4dee17981a37b77b0fc9c23d4f72',
  );
});

test('a class name fills a template', () => {
  expect(fillTemplate('a photo of a {}.', 'Faces_easy')).toBe('a photo of a Faces easy.');
  expect(fillTemplate('{}', '$& {} $1')).toBe('$& {} $1');
});

test('zero-shot CLIP has a prompt of its own for seven of the data sets, under the names that they load with', () => {
  const own = LAYOUTS.map(({ name }) => name).filter((name) => zeroShotTemplate(name) !== 'a photo of a {}.');
  expect(own).toEqual([
    'OxfordPets',
    'OxfordFlowers',
    'Food101',
    'FGVCAircraft',
    'DescribableTextures',
    'EuroSAT',
    'UCF101',
  ]);
  expect(fillTemplate(zeroShotTemplate('EuroSAT'), 'River')).toBe('a centered satellite photo of River.');
  expect(zeroShotTemplate('my own images')).toBe('a photo of a {}.');
  expect(zeroShotTemplate('constructor')).toBe('a photo of a {}.');
});
