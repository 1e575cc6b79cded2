import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, it } from 'vitest';

/** From the lowest to the highest. A file may import from its own layer and from lower ones. */
const LAYERS = [
  /^(capabilities|errors|half|units)\.ts$/,
  /^graph\//,
  /^kernels\//,
  /^ops\//,
  /^train\//,
  /^examples\.ts$/,
  /^gpu\//,
  /^index\.ts$/,
];
const layerOf = (file: string) => LAYERS.findIndex((layer) => layer.test(file));

it("the engine's folders are layers: no import points up", () => {
  const root = new URL('../../engine/', import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const upwards: string[] = [];
  for (const file of files.map((name) => name.replaceAll('\\', '/'))) {
    expect(layerOf(file), `${file} belongs to a layer`).toBeGreaterThanOrEqual(0);
    for (const [, path] of readFileSync(new URL(file, root), 'utf8').matchAll(/from '(\.[^']+)\.js'/g)) {
      const target = `${posix.join(posix.dirname(file), path!)}.ts`;
      if (layerOf(target) > layerOf(file)) upwards.push(`${file} -> ${target}`);
    }
  }
  expect(upwards).toEqual([]);
});
