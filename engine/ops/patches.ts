/**
 * A convolution whose stride equals its kernel size, as a matmul: images are cut into patches, one row each.
 *   patches[b, gy * g + gx, (c * P + ky) * P + kx] = images[b, c, gy * P + ky, gx * P + kx],  g = R / P
 */

import { type Dispatch, vectors } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { matmul } from './matmul.js';
import { reshape } from './reshape.js';
import { misfit } from './shape.js';

interface Attributes {
  readonly batch: number;
  readonly channels: number;
  readonly resolution: number;
  readonly patch: number;
}

function dispatch(
  x: Tensor,
  y: Tensor,
  { channels, resolution, patch }: Attributes,
  assemble: boolean,
): Dispatch {
  const { lanes, as } = vectors(patch);
  return {
    shader: 'patches',
    constants: { ASSEMBLE: assemble },
    uniforms: { CHANNELS: channels, GRID: resolution / patch, PATCH: patch, PATCH_X: patch / lanes },
    reads: { x: as(x) },
    writes: { y: as(y) },
    elements: x.size / lanes,
  };
}

/** Calls `visit(image index, patch index)` for every element. */
function walk(
  { batch, channels, resolution, patch }: Attributes,
  visit: (image: number, row: number) => void,
) {
  const side = resolution / patch;
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let iy = 0; iy < resolution; iy++)
        for (let ix = 0; ix < resolution; ix++) {
          const [gy, gx] = [Math.floor(iy / patch), Math.floor(ix / patch)];
          const row = (b * side + gy) * side + gx;
          visit(
            ((b * channels + c) * resolution + iy) * resolution + ix,
            ((row * channels + c) * patch + (iy % patch)) * patch + (ix % patch),
          );
        }
}

const extract: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'extractPatches',
  outputs: (_, { batch, channels, resolution, patch }) => [
    { shape: [batch, (resolution / patch) ** 2, channels * patch * patch] },
  ],
  kernels: ({ inputs: [x], outputs: [y], attributes }) => [dispatch(x, y, attributes, false)],
  gradient: ({ attributes }, [dy]) => [call(assemble, [dy], attributes)],
  reference: ({ attributes }, [x]) => {
    const y = new Float64Array(x.length);
    walk(attributes, (image, row) => {
      y[row] = x[image]!;
    });
    return [y];
  },
};

const assemble: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'assemblePatches',
  outputs: (_, { batch, channels, resolution }) => [{ shape: [batch, channels, resolution, resolution] }],
  kernels: ({ inputs: [x], outputs: [y], attributes }) => [dispatch(x, y, attributes, true)],
  gradient: ({ attributes }, [dy]) => [call(extract, [dy], attributes)],
  reference: ({ attributes }, [x]) => {
    const y = new Float64Array(x.length);
    walk(attributes, (image, row) => {
      y[image] = x[row]!;
    });
    return [y];
  },
};

/** `images` `[batch, channels, R, R]` -> `[batch, (R / patch)², channels * patch * patch]`, patches row by row. */
export function extractPatches(images: Tensor, patch: number): Tensor {
  const [batch, channels, resolution, width] = images.shape as [number, number, number, number];
  if (images.shape.length !== 4 || resolution !== width)
    misfit('extractPatches', [images], 'images must be [batch, channels, R, R]');
  if (!Number.isInteger(patch) || patch < 1 || resolution % patch !== 0)
    misfit('extractPatches', [images], `the side must be a multiple of the patch side ${patch}`);
  return call(extract, [images], { batch, channels, resolution, patch });
}

/**
 * The inverse of `extractPatches`, and its backward pass: `[batch, g * g, channels * patch * patch]` ->
 * `[batch, channels, g * patch, g * patch]`.
 */
export function assemblePatches(patches: Tensor, patch: number): Tensor {
  const [batch, rows, width] = patches.shape as [number, number, number];
  const side = Math.round(Math.sqrt(rows));
  const channels = width / (patch * patch);
  if (patches.shape.length !== 3 || side * side !== rows || !Number.isInteger(channels))
    misfit('assemblePatches', [patches], `patches must be [batch, g * g, channels * ${patch} * ${patch}]`);
  return call(assemble, [patches], { batch, channels, resolution: side * patch, patch });
}

/**
 * A convolution without bias of stride `patch`: `images` `[batch, channels, R, R]`, `weight`
 * `[width, channels, patch, patch]` -> `[batch, (R / patch)², width]`.
 */
export function patchEmbedding(images: Tensor, weight: Tensor, patch = weight.shape[3]): Tensor {
  const [width, channels, height, across] = weight.shape as [number, number, number, number];
  if (weight.shape.length !== 4 || channels !== images.shape[1] || height !== patch || across !== patch)
    misfit('patchEmbedding', [images, weight], `the weight must be [width, channels, ${patch}, ${patch}]`);
  const patches = extractPatches(images, patch);
  const [batch, rows, inner] = patches.shape as [number, number, number];
  const product = matmul(reshape(patches, [batch * rows, inner]), reshape(weight, [width, inner]), {
    transposeB: true,
  });
  return reshape(product, [batch, rows, width]);
}

/** Calls for the checks of kernels and shaders. */
export const patchesExamples = examples(() =>
  [4, 3].map((patch) =>
    example(
      `patchEmbedding ${patch}`,
      [
        [2, 3, 2 * patch, 2 * patch],
        [8, 3, patch, patch],
      ],
      (images, weight) => patchEmbedding(images, weight),
    ),
  ),
);
