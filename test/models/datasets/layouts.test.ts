/** The known data sets in their folders. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { knownName } from '../../../models/datasets/layouts.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { blank, dataFolders, refuses } from './dataFolders.js';

const { make } = dataFolders('layouts');

describe('known layouts', () => {
  const split = JSON.stringify({
    train: [['d/0.jpg', 0, 'a_b']],
    val: [],
    test: [['d/1.jpg', 0, 'a_b']],
  });

  it('are found in a folder of data sets, by name if there are several', async () => {
    const path = make({
      'eurosat/split_zhou_EuroSAT.json': split,
      ...blank(['eurosat/2750/d/0.jpg', 'eurosat/2750/d/1.jpg', 'dtd/images/d/0.jpg', 'dtd/images/d/1.jpg']),
      'dtd/split_zhou_DescribableTextures.json': split,
    });
    await refuses(path, /several data sets: DescribableTextures, EuroSAT/);
    const data = await loadDataset(platform, path, { dataset: 'eurosat' });
    expect(data).toMatchObject({ name: 'EuroSAT', classNames: ['a b'] });
    expect(data.train[0]!.path).toBe(join(path, 'eurosat/2750/d/0.jpg'));
    expect((await loadDataset(platform, join(path, 'dtd'))).name).toBe('DescribableTextures');
    await refuses(path, /holds no Food101: neither split_zhou_Food101\.json/, { dataset: 'food101' });
    await refuses(path, /no data set called "cifar"/, { dataset: 'cifar' });
    expect((await loadDataset(platform, path, { dataset: 'euro_sat' })).name).toBe('EuroSAT');
    expect(await knownName(platform, path, 'dtd')).toBe('DescribableTextures');
    expect(await knownName(platform, join(path, 'eurosat'))).toBe('EuroSAT');
    expect(await knownName(platform, path)).toBeUndefined();
    await refuses(make({ 'split_zhou_SUN397.json': split }), /d.0\.jpg, listed in .*does not exist/);
  });

  it('FGVCAircraft: classes by variants.txt, names with spaces', async () => {
    const part = (id: string) => ({ [`images_variant_${id}.txt`]: `00${id.length} Boeing 707\n7 A-320 x\n` });
    const path = make({
      'variants.txt': 'A-320 x\nBoeing 707\n',
      ...part('train'),
      ...part('val'),
      ...part('test'),
    });
    const data = await loadDataset(platform, path);
    expect(data).toMatchObject({ name: 'FGVCAircraft', classNames: ['A-320 x', 'Boeing 707'] });
    expect(data.train).toEqual([
      { path: join(path, 'images/005.jpg'), label: 1 },
      { path: join(path, 'images/7.jpg'), label: 0 },
    ]);
  });

  it('ImageNet: labels by sorted wnid, validation images for testing, equal names noted', async () => {
    const files = ['train/n03/a.JPEG', 'train/n01/b.JPEG', 'val/n01/c.JPEG', 'val/n03/d.JPEG'].map(
      (f) => `images/${f}`,
    );
    const path = make(
      { ...blank(files), 'classnames.txt': 'n03 crane\nn01 crane\nn02 unused\n' },
      'imagenet',
    );
    const data = await loadDataset(platform, path);
    expect(data.classNames).toEqual(['crane', 'crane']);
    expect(data.notes).toHaveLength(1);
    expect(data.train).toEqual([
      { path: join(path, 'images/train/n01/b.JPEG'), label: 0 },
      { path: join(path, 'images/train/n03/a.JPEG'), label: 1 },
    ]);
    expect(data.test.map(({ label }) => label)).toEqual([0, 1]);
  });

  it('variants: their own classes, every image both train and test', async () => {
    const sketch = make(
      { ...blank(['images/n02/a.JPEG', 'images/n09/b.JPEG']), 'classnames.txt': 'n01 x\nn02 fox\nn09 owl\n' },
      'imagenet-sketch',
    );
    const data = await loadDataset(platform, sketch);
    expect(data).toMatchObject({ name: 'ImageNetSketch', classNames: ['fox', 'owl'] });
    expect(data.train).toBe(data.test);

    // Folder 10 is line 10 of the list, not the third folder in ASCII order.
    const images = Array.from(
      { length: 11 },
      (_, i) => `imagenetv2-matched-frequency-format-val/${i}/x.jpeg`,
    );
    const names = images.map((_, i) => `n${i} name ${i}`).join('\n');
    const v2 = await loadDataset(platform, make({ ...blank(images), 'classnames.txt': names }, 'imagenetv2'));
    expect(v2.classNames[10]).toBe('name 10');
    expect(v2.test[10]!.path).toMatch(/val.10.x\.jpeg/);
  });
});
