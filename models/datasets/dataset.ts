/** What a data set is, and the parts of one. */

/** An image file; `label` is an index into the class names, or -1 if unknown. */
export interface ImageItem {
  readonly path: string;
  readonly label: number;
}

/** Images of one label; -1 if it is unknown. */
export const itemsOf = (paths: readonly string[], label = -1): ImageItem[] =>
  paths.map((path) => ({ path, label }));

/** Lists of images with their classes. */
export interface Dataset {
  readonly name: string;
  /** In label order, with spaces as in a prompt. Empty when the images have no labels. */
  readonly classNames: string[];
  readonly train: ImageItem[];
  readonly test: ImageItem[];
  readonly val?: ImageItem[];
  /** Images of a flat folder or a list: usable for distillation and prediction. Their label is -1. */
  readonly unlabelled?: ImageItem[];
}

/** What was found at a path. */
export interface LoadedDataset extends Dataset {
  /** Peculiarities that a user should hear of but that stop nothing. */
  readonly notes: readonly string[];
}

/** How a data set is found and split. */
export interface DatasetOptions {
  /** Which one, when a folder holds several of the known data sets: a name or folder of `LAYOUTS`. */
  readonly dataset?: string;
  /** For class folders without train/ and test/: the share of each class, last in name order, kept for testing. */
  readonly holdOut?: number;
  /** Links in the folder, and paths in lists and split files, may lead out of it. Default: that is an error. */
  readonly allowOutside?: boolean;
}

/** The reference's halves: base is the first ceil(n / 2) labels, novel the rest. Source: CoOp `oxford_pets.py`. */
export function baseNovelSplit(classCount: number): { base: number[]; novel: number[] } {
  const labels = Array.from({ length: classCount }, (_, label) => label);
  const half = Math.ceil(classCount / 2);
  return { base: labels.slice(0, half), novel: labels.slice(half) };
}

/** The part of a data set that has the given labels, renumbered from 0 in the order given. */
export function selectClasses(dataset: Dataset, labels: readonly number[]): Dataset {
  const renumbered = new Map(labels.map((label, index) => [label, index]));
  const select = (items: ImageItem[]) =>
    items.flatMap(({ path, label }) => {
      const index = renumbered.get(label);
      return index === undefined ? [] : [{ path, label: index }];
    });
  return {
    ...dataset,
    classNames: labels.map((label) => dataset.classNames[label]!),
    train: select(dataset.train),
    test: select(dataset.test),
    val: dataset.val && select(dataset.val),
  };
}
