import { Random } from '../random.js';
import type { Dataset, ImageItem } from './dataset.js';

/**
 * K images a class, the same ones as the reference code draws for a seed (CoOp and Dassl `generate_fewshot_dataset`):
 * classes in order of first appearance in `train`, `random.sample` of each, then up to 4 of `val` from the same
 * generator. Draw from the whole data set *before* choosing base or novel classes, as the reference does.
 */
export function sampleFewShot(
  dataset: Pick<Dataset, 'train' | 'val'>,
  shots: number,
  seed: number,
): { train: ImageItem[]; val: ImageItem[] } {
  const random = new Random(seed);
  const train = sampleClasses(random, dataset.train, shots);
  return { train, val: sampleClasses(random, dataset.val ?? [], Math.min(shots, 4)) };
}

/** A class with fewer images than asked for is taken whole, in its own order, and draws no random numbers. */
function sampleClasses(random: Random, items: readonly ImageItem[], shots: number): ImageItem[] {
  const byLabel = new Map<number, ImageItem[]>();
  for (const item of items) {
    const ofClass = byLabel.get(item.label);
    if (ofClass) ofClass.push(item);
    else byLabel.set(item.label, [item]);
  }
  return [...byLabel.values()].flatMap((ofClass) =>
    ofClass.length >= shots ? random.sample(ofClass, shots) : ofClass,
  );
}
