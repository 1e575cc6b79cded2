/** A finished student as one ONNX file: prompts, projection and class vectors in it, images in, logits out. */
import { BATCH_NORM_EPSILON, mebibytes, UserError } from '../../../engine/index.js';
import { encodeModel } from '../../../formats/onnx/messages.js';
import type { StoredTensor } from '../../../formats/tensors.js';
import { byteCount } from '../../../formats/writable.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import { IMAGE_DEVIATION, IMAGE_MEAN } from '../../images/preprocess.js';
import type { ClassVectors } from '../classVectors/classVectors.js';
import type { StoredStudent } from '../files/studentFile.js';
import { layersOf, type ProjectionValues } from '../shared/projection.js';
import { type Layer, onnxGraph, type Weight } from './onnxGraph.js';

/** A protocol buffer ends at 2 GiB. */
const LARGEST = 2 ** 31;

/** What of the file is beside the numbers. */
const DOC =
  'A CLIP student distilled by promptkd. Resize each image so that its shorter side is `size` pixels (bicubic, as Pillow), crop the ' +
  'middle, scale to 0..1, subtract `mean` and divide by `deviation` (RGB). The softmax of the logits is the probability of each ' +
  'class in `class_names`.';

/**
 * The student's image encoder with its prompts, its projection with BatchNorm folded in, and its class vectors as one ONNX model:
 * float32 images `[n, 3, size, size]`, normalised, to float32 logits `[n, classes]`.
 *
 * @param half stores frozen matrices as float16; the graph computes in float32
 * @param onProgress called after each weight that is read
 * @throws UserError when a file cannot be read, or the model is too large for a protocol buffer
 */
export async function encodeOnnx(
  student: StoredStudent,
  checkpoint: ClipCheckpoint,
  classes: ClassVectors,
  { half = false, onProgress }: { half?: boolean; onProgress?: (done: number, total: number) => void } = {},
): Promise<{ bytes: Uint8Array; tensors: number }> {
  const { config } = checkpoint;
  const wanted = [...checkpoint.tensors].filter(([name]) => name.startsWith('visual.'));
  const dtypeOf = ({ shape }: StoredTensor) => (half && shape.length >= 2 ? 'F16' : 'F32');
  const size = wanted.reduce(
    (sum, [, tensor]) => sum + byteCount({ dtype: dtypeOf(tensor), shape: tensor.shape }),
    0,
  );
  if (size >= LARGEST)
    throw new UserError(
      `${checkpoint.path}: its image encoder has ${mebibytes(size, 0)}, and an ONNX file ends at 2048`,
      half ? 'use a smaller student' : 'add --half',
    );
  const weights = new Map<string, Weight>();
  for (const [name, frozen] of wanted) {
    const tensor = student.weights.get(name) ?? frozen;
    const isHalf = tensor === frozen && dtypeOf(frozen) === 'F16';
    weights.set(name, {
      shape: tensor.shape,
      values: isHalf ? await tensor.readHalf() : await tensor.read(),
    });
    onProgress?.(weights.size, wanted.length);
  }
  const scale = await checkpoint.tensors.get('logit_scale')!.read();
  const graph = onnxGraph({
    config,
    weights,
    prompts: student.prompts.map((values) => ({
      shape: [values.length / student.width, student.width],
      values,
    })),
    layers: foldedLayers(student.projection),
    classVectors: { shape: [classes.count, classes.embed], values: classes.vectors },
    logitScale: Math.exp(scale[0]!),
  });
  const metadata = {
    class_names: JSON.stringify(classes.classNames),
    size: String(config.vision.resolution),
    mean: JSON.stringify(IMAGE_MEAN),
    deviation: JSON.stringify(IMAGE_DEVIATION),
    template: classes.template,
    clip_sha256: student.clipHash,
  };
  return { bytes: encodeModel({ ...graph, doc: DOC, metadata }), tensors: graph.tensors.length };
}

/**
 * The layers of a projection in evaluation: BatchNorm's `(x - mean) / sqrt(var + epsilon) * weight + bias` is one more factor of a
 * Linear layer's rows and one more term of its bias.
 */
export function foldedLayers(projection: ProjectionValues): Layer[] {
  const count = layersOf(projection);
  return Array.from({ length: count }, (_, i): Layer => {
    const weight = projection[`fc${i + 1}.weight`]!;
    const bias = projection[`fc${i + 1}.bias`]!;
    if (i + 1 === count) return { weight, bias };
    const norm = (part: string) => projection[`bn${i === 0 ? '' : i + 1}.${part}`]!;
    const [beta, mean, variance] = [norm('bias'), norm('mean'), norm('var')];
    const factors = norm('weight').map((g, row) => g / Math.sqrt(variance[row]! + BATCH_NORM_EPSILON));
    const columns = weight.length / bias.length;
    return {
      weight: weight.map((value, at) => value * factors[Math.floor(at / columns)]!),
      bias: bias.map((value, row) => (value - mean[row]!) * factors[row]! + beta[row]!),
    };
  });
}
