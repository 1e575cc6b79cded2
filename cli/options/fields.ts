/** What `--help` says of each setting. */
import { lossHelp, lossWeightHelp } from '../../models/promptkd/shared/losses.js';
import type { StudentSettings, TeacherSettings } from '../../models/promptkd/shared/settings.js';

/** A setting of either stage. */
export type Field = keyof TeacherSettings | keyof StudentSettings;

/** The value and the help text of each field's flag. The compiler requires a line for every field. */
export const FIELDS: Readonly<Record<Field, readonly [value: string, help: string]>> = {
  clip: ['folder', 'CLIP to train prompts for: a checkpoint, or a folder with a checkpoint and a tokenizer'],
  method: [
    'name',
    'how to tune: promptsrc, ivlp, coop, or clip (no tuning: plain zero-shot CLIP is the teacher)',
  ],
  teacher: ['run', 'run folder of stage 1, or a PromptSRC or IVLP checkpoint (model-best.pth.tar)'],
  teacherClip: ['folder', 'CLIP that the teacher was tuned from; only needed when --teacher is a checkpoint'],
  data: ['folder', 'images: class folders, a known data set, a flat folder, or a text file of image paths'],
  dataset: ['name', 'name of the data set, if the --data folder holds several known ones'],
  allowOutside: ['', 'let links, path lists and split files point outside the data folder'],
  maxBroken: [
    'share',
    'share of images, 0 to 1, that may be broken: they are skipped and listed in skipped-images.txt; more is an error',
  ],
  tokenizer: ['file', 'tokenizer of the CLIP, if it is not next to the checkpoint'],
  classes: ['part', 'classes to tune on: base (the first half), novel or all'],
  shots: ['n', 'labelled images per class; 0: all'],
  imagesPerClass: ['n', 'unlabelled images per class, drawn by --seed; 0: all'],
  classVectors: ['file', 'class vectors from promptkd class-vectors (default: computed from the teacher)'],
  teacherCache: [
    '[folder]',
    "keep the teacher's image features on disk, in this folder (default: the user's cache), for runs with the same " +
      'teacher, data and --crop-seed',
  ],
  epochs: ['n', 'passes over the images'],
  batch: ['n', 'images per step'],
  accumulate: ['n', 'steps whose gradients are averaged for one update: large batches in little memory'],
  scaleLr: [
    '',
    "multiply the learning rate by batch x accumulate / the method's own batch size, as the authors advise",
  ],
  learningRate: ['rate', 'learning rate of SGD, with cosine decay'],
  warmupEpochs: ['n', 'epochs at the warm-up learning rate'],
  warmupLearningRate: ['rate', 'learning rate during warm-up'],
  momentum: ['value', 'momentum of SGD'],
  weightDecay: ['value', 'weight decay of SGD'],
  seed: ['n', 'seed of the sampled images, their order and crops, and the initial values'],
  cropSeed: [
    'n',
    'seed of the random crops alone, to share crops and a teacher cache between runs (default: --seed)',
  ],
  views: [
    'n',
    'fixed random crops per image, whose frozen features are computed once; 0: new crops every epoch',
  ],
  recompute: ['', 'recompute activations in the backward pass: less memory, about a third more work'],
  precision: [
    'f32|f16',
    'storage of frozen weights, and of activations on tensor cores; f16 halves the memory and scales the loss',
  ],
  cropScale: ['share', 'smallest share of an image that a random crop covers'],
  train: [
    'part',
    'what to train besides the projection: prompts, projection (nothing else) or all (the whole image encoder)',
  ],
  projectionLayers: [
    'n',
    'linear layers of the projection, 0 to 3 (default: 2; 0 with --text-features student)',
  ],
  textFeatures: [
    'whose',
    'text features that images are compared with: those of the teacher, or of the student',
  ],
  visionDepth: [
    'n',
    'blocks with prompts in the image encoder (default: 9, or all; 0 if prompts are not trained)',
  ],
  visionLength: ['n', 'prompt tokens in the image encoder'],
  textDepth: ['n', 'blocks with prompts in the text encoder (default: 9, or all)'],
  textLength: ['n', 'prompt tokens in the text encoder'],
  contextInit: ['words', 'words that the text prompt is initialised with'],
  template: ['text', 'prompt for text features that are not tuned; {} stands for the class name'],
  textWeight: ['value', "weight of PromptSRC's loss on text features"],
  imageWeight: ['value', "weight of PromptSRC's loss on image features"],
  averageMean: [
    'epoch',
    'centre of the Gaussian that averages the prompts over epochs (default: 3/4 of --epochs)',
  ],
  averageDeviation: ['epochs', 'standard deviation of that Gaussian'],
  temperature: ['value', 'temperature of both softmaxes'],
  kdLoss: ['name', `distillation loss: ${lossHelp()}`],
  kdWeight: ['value', `weight of the distillation loss (default: ${lossWeightHelp()})`],
  select: [
    'way',
    "epoch to keep: last, val (best on the validation split) or reference (best on the test set, as in the authors' " +
      'code: this selects on the test set)',
  ],
  selectClasses: ['part', 'classes whose images decide which epoch to keep: base or all'],
  evalEvery: [
    'epochs',
    'also measure base, novel and all-class accuracy on the test images after every so many epochs, for the report',
  ],
};
