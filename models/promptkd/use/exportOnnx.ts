/** A finished student as one ONNX file: prompts, projection and class vectors in it, images in, logits out. */
import { BATCH_NORM_EPSILON, UserError } from '../../../engine/index.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import type { StoredTensor } from '../../checkpoints/tensors.js';
import { IMAGE_DEVIATION, IMAGE_MEAN } from '../../images/preprocess.js';
import { encodeModel } from '../../onnx/messages.js';
import { type Layer, studentGraph, type Weight } from '../../onnx/studentGraph.js';
import type { ClassVectors } from '../classVectors/classVectors.js';
import type { StoredStudent } from '../files/studentFile.js';
import { layersOf, type ProjectionValues } from '../shared/projection.js';

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
  { half = false, onProgress = () => {} }: { half?: boolean; onProgress?: (share: number) => void } = {},
): Promise<{ bytes: Uint8Array; tensors: number }> {
  const { config } = checkpoint;
  const wanted = [...checkpoint.tensors].filter(([name]) => name.startsWith('visual.'));
  const size = wanted.reduce((sum, [, { shape }]) => sum + storedBytes(shape, half), 0);
  if (size >= LARGEST)
    throw new UserError(
      `${checkpoint.path}: its image encoder has ${Math.round(size / 2 ** 20)} MiB, and an ONNX file ends at 2048`,
      half ? 'use a smaller student' : 'add --half',
    );
  const weights = new Map<string, Weight>();
  for (const [name, frozen] of wanted) {
    const tuned = student.weights.get(name);
    weights.set(name, await weightOf(tuned ?? frozen, half && !tuned));
    onProgress(weights.size / wanted.length);
  }
  const scale = await checkpoint.tensors.get('logit_scale')!.read();
  const graph = studentGraph({
    config,
    weights,
    prompts: student.prompts.map((values) => ({
      ...{ shape: [values.length / student.width, student.width], values },
    })),
    layers: foldedLayers(student.projection, student.inputs, student.outputs),
    classVectors: { shape: [classes.count, classes.embed], values: classes.vectors },
    logitScale: Math.exp(scale[0]!),
  });
  const { resolution } = config.vision;
  const metadata = {
    class_names: JSON.stringify(classes.classNames),
    size: String(resolution),
    mean: JSON.stringify(IMAGE_MEAN),
    deviation: JSON.stringify(IMAGE_DEVIATION),
    template: classes.template,
    clip_sha256: student.clipHash,
  };
  return {
    bytes: encodeModel({ ...graph, doc: DOC, metadata }),
    tensors: graph.tensors.length,
  };
}

const storedBytes = (shape: readonly number[], half: boolean): number =>
  shape.reduce((product, side) => product * side, half && shape.length >= 2 ? 2 : 4);

const weightOf = async (tensor: StoredTensor, half: boolean): Promise<Weight> => ({
  shape: tensor.shape,
  values: half && tensor.shape.length >= 2 ? await tensor.readHalf() : await tensor.read(),
});

/**
 * The layers of a projection in evaluation: BatchNorm's `(x - mean) / sqrt(var + epsilon) * weight + bias` is one more factor of a
 * Linear layer's rows and one more term of its bias.
 */
export function foldedLayers(projection: ProjectionValues, inputs: number, outputs: number): Layer[] {
  const count = layersOf(projection);
  return Array.from({ length: count }, (_, i): Layer => {
    const columns = i === 0 ? inputs : outputs;
    const weight = projection[`fc${i + 1}.weight`]!;
    const bias = projection[`fc${i + 1}.bias`]!;
    const layer = { outputs, inputs: columns, relu: i + 1 < count };
    if (!layer.relu) return { ...layer, weight, bias };
    const norm = i === 0 ? 'bn' : `bn${i + 1}`;
    const [gamma, beta, mean, variance] = ['weight', 'bias', 'mean', 'var'].map(
      (part) => projection[`${norm}.${part}`]!,
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const factors = gamma.map((g, row) => g / Math.sqrt(variance[row]! + BATCH_NORM_EPSILON));
    return {
      ...layer,
      weight: weight.map((value, at) => value * factors[Math.floor(at / columns)]!),
      bias: bias.map((value, row) => (value - mean[row]!) * factors[row]! + beta[row]!),
    };
  });
}
