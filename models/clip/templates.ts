/** Texts that class names are put into. */

/**
 * The 60 templates of PromptSRC's text-diversity loss (docs/method.md 1.5): OpenAI's published 80 ImageNet templates
 * (github.com/openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb) without the last twenty, with
 * "a photo of a {}." moved to the front.
 */
export const PROMPTSRC_TEMPLATES: readonly string[] = [
  'a photo of a {}.',
  'a bad photo of a {}.',
  'a photo of many {}.',
  'a sculpture of a {}.',
  'a photo of the hard to see {}.',
  'a low resolution photo of the {}.',
  'a rendering of a {}.',
  'graffiti of a {}.',
  'a bad photo of the {}.',
  'a cropped photo of the {}.',
  'a tattoo of a {}.',
  'the embroidered {}.',
  'a photo of a hard to see {}.',
  'a bright photo of a {}.',
  'a photo of a clean {}.',
  'a photo of a dirty {}.',
  'a dark photo of the {}.',
  'a drawing of a {}.',
  'a photo of my {}.',
  'the plastic {}.',
  'a photo of the cool {}.',
  'a close-up photo of a {}.',
  'a black and white photo of the {}.',
  'a painting of the {}.',
  'a painting of a {}.',
  'a pixelated photo of the {}.',
  'a sculpture of the {}.',
  'a bright photo of the {}.',
  'a cropped photo of a {}.',
  'a plastic {}.',
  'a photo of the dirty {}.',
  'a jpeg corrupted photo of a {}.',
  'a blurry photo of the {}.',
  'a photo of the {}.',
  'a good photo of the {}.',
  'a rendering of the {}.',
  'a {} in a video game.',
  'a photo of one {}.',
  'a doodle of a {}.',
  'a close-up photo of the {}.',
  'the origami {}.',
  'the {} in a video game.',
  'a sketch of a {}.',
  'a doodle of the {}.',
  'a origami {}.',
  'a low resolution photo of a {}.',
  'the toy {}.',
  'a rendition of the {}.',
  'a photo of the clean {}.',
  'a photo of a large {}.',
  'a rendition of a {}.',
  'a photo of a nice {}.',
  'a photo of a weird {}.',
  'a blurry photo of a {}.',
  'a cartoon {}.',
  'art of a {}.',
  'a sketch of the {}.',
  'a embroidered {}.',
  'a pixelated photo of a {}.',
  'itap of the {}.',
];

/** Prompt of plain CLIP where nothing better is known. */
export const PLAIN_TEMPLATE = 'a photo of a {}.';

/**
 * Prompts of zero-shot CLIP that say what a data set shows, by its name in datasets/layouts.ts; the others have
 * `PLAIN_TEMPLATE` (docs/method.md 6.5; CoOp's trainers/zsclip.py).
 */
const ZERO_SHOT_TEMPLATES: Readonly<Record<string, string>> = {
  OxfordPets: 'a photo of a {}, a type of pet.',
  OxfordFlowers: 'a photo of a {}, a type of flower.',
  FGVCAircraft: 'a photo of a {}, a type of aircraft.',
  DescribableTextures: '{} texture.',
  EuroSAT: 'a centered satellite photo of {}.',
  Food101: 'a photo of {}, a type of food.',
  UCF101: 'a photo of a person doing {}.',
};

/** The prompt of zero-shot CLIP for the data set called `name`. */
export const zeroShotTemplate = (name: string): string =>
  Object.hasOwn(ZERO_SHOT_TEMPLATES, name) ? ZERO_SHOT_TEMPLATES[name]! : PLAIN_TEMPLATE;

/** The template with the class name in its place; underscores of the name become spaces, its case is kept. */
export function fillTemplate(template: string, className: string): string {
  return template.replaceAll('{}', () => className.replaceAll('_', ' '));
}
