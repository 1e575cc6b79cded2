import type { UserError } from '../../engine/index.js';
import { mismatch, renamed, type StoredTensor, sameShape } from '../../formats/tensors.js';
import type { Shape } from '../clip/config.js';

/**
 * The student's head from the entries of `VPT_image_trans.conv1`, a `Sequential` of 1 x 1 convolutions and BatchNorms
 * (docs/method.md 3.1): in order they become fc1, bn, fc2 (a third layer bn2, fc3), the convolutions matrices `[out, in]`.
 *
 * @param entries tensors by their names after `conv1.`, such as `0.weight`
 * @param embed length of the student's features, which enter
 * @throws what `fail` makes of a missing or unknown entry or a wrong shape
 */
export function projectionHead(
  entries: ReadonlyMap<string, StoredTensor>,
  embed: number,
  fail: (problem: string) => UserError,
): Map<string, StoredTensor> {
  const parts = [...entries].map(([name, tensor]) => {
    const dot = name.indexOf('.');
    return { index: Number(name.slice(0, dot)), leaf: name.slice(dot + 1), tensor };
  });
  const norms = new Set(parts.filter(({ leaf }) => leaf === 'running_mean').map(({ index }) => index));
  const names = new Map<number, string>();
  let layers = 0;
  let batchNorms = 0;
  for (const index of [...new Set(parts.map((part) => part.index))].sort((a, b) => a - b))
    names.set(index, norms.has(index) ? normName(++batchNorms) : `fc${++layers}`);
  const head = new Map<string, StoredTensor>();
  for (const { index, leaf, tensor } of parts) {
    const name = `${names.get(index)}.${leaf}`;
    const isConvolution = tensor.shape.length === 4 && tensor.shape[2] === 1 && tensor.shape[3] === 1;
    head.set(name, renamed(tensor, name, isConvolution ? tensor.shape.slice(0, 2) : tensor.shape));
  }
  const expected = headShapes(head, layers, embed);
  for (const [name, shape] of expected) {
    const tensor = head.get(name);
    if (!tensor) throw fail(`"${name}" of the projection VPT_image_trans is missing`);
    if (!sameShape(tensor.shape, shape))
      throw fail(mismatch(`"${name}" of the projection VPT_image_trans`, tensor.shape, shape));
  }
  const unknown = [...head.keys()].find((name) => !expected.has(name));
  if (unknown) throw fail(`"${unknown}" of the projection VPT_image_trans is unknown`);
  return head;
}

function normName(number: number): string {
  return number === 1 ? 'bn' : `bn${number}`;
}

/** Each layer is as wide as its weight has rows, and a BatchNorm follows all but the last. */
function headShapes(
  head: ReadonlyMap<string, StoredTensor>,
  layers: number,
  embed: number,
): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  let width = embed;
  for (let i = 1; i <= layers; i++) {
    const rows = head.get(`fc${i}.weight`)?.shape[0] ?? 0;
    shapes.set(`fc${i}.weight`, [rows, width]).set(`fc${i}.bias`, [rows]);
    if (i < layers)
      for (const leaf of ['weight', 'bias', 'running_mean', 'running_var'])
        shapes.set(`${normName(i)}.${leaf}`, [rows]);
    width = rows;
  }
  return shapes;
}
