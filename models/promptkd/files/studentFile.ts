/** The file of a distilled student: vision prompts, the projection head, and weights where they were tuned too. */
import { UserError } from '../../../engine/index.js';
import { encodeSafetensors, type TensorToWrite } from '../../../formats/safetensors.js';
import type { StoredTensor } from '../../../formats/tensors.js';
import type { Platform } from '../../platform.js';
import { layersOf, type ProjectionValues, projectionShapes } from '../shared/projection.js';
import { readPrompts } from '../shared/prompts.js';
import { openLearned, STUDENT_KIND } from './learnedFile.js';

/** The class vectors that belong to a student, in its run folder. */
export const CLASS_VECTORS_FILE = 'class-vectors.safetensors';
/** `kind` of a self-contained student with its image encoder. */
export const MERGED_KIND = 'promptkd merged student';
const PROJECTION = 'projection.';

interface StudentParts {
  /** May be none. */
  readonly prompts: readonly Float32Array[];
  /** Empty for a student whose features are compared as they are. */
  readonly projection: ProjectionValues;
  /** Width of the student's image encoder (0 without prompts), its embedding and that of its class vectors. */
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly clip: string;
  readonly clipHash: string;
}

/** A student as training leaves it. */
export interface StudentToStore extends StudentParts {
  /** Weights of the image encoder that training has changed. */
  readonly weights?: readonly Omit<TensorToWrite, 'dtype'>[];
}

/** A student as a file has it. */
export interface StoredStudent extends StudentParts {
  /** The same by name, not yet read. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/** The student as a safetensors file: prompts, projection and tuned weights, float32. */
export function encodeStudent(student: StudentToStore): Uint8Array {
  const { prompts, projection, weights = [], width, inputs, outputs } = student;
  const shapes = projectionShapes(inputs, outputs, layersOf(projection));
  const tensors = [
    ...prompts.map((data, i) => ({ name: `vision.${i}`, shape: [data.length / width, width], data })),
    ...Object.entries(shapes).map(([name, shape]) => ({
      name: `${PROJECTION}${name}`,
      shape,
      data: projection[name]!,
    })),
    ...weights,
  ];
  return encodeSafetensors(
    tensors.map((tensor) => ({ ...tensor, dtype: 'F32' })),
    {
      kind: STUDENT_KIND,
      clip: student.clip,
      clip_sha256: student.clipHash,
      // Without a projection no shape says these.
      inputs: String(inputs),
      outputs: String(outputs),
    },
  );
}

/** Reads what `encodeStudent` wrote, of a run folder or of the file itself. Throws `UserError` when the run has not finished. */
export async function readStudent(platform: Platform, run: string): Promise<StoredStudent> {
  const file = await openLearned(platform, run, 'student');
  const { path, metadata, tensors } = file;
  const prompts = await readPrompts(file, 'vision');
  const fc1 = tensors.get(`${PROJECTION}fc1.weight`)?.shape;
  const inputs = fc1?.[1] ?? Number(metadata.inputs ?? 0);
  const outputs = fc1?.[0] ?? Number(metadata.outputs ?? 0);
  if (![inputs, outputs].every((size) => Number.isSafeInteger(size) && size > 0))
    throw new UserError(
      `${path} does not say the sizes of its features`,
      'restore the file, or distil again',
    );
  const weights = new Map([...tensors].filter(([name]) => name.startsWith('visual.')));
  if (prompts.length + weights.size === 0 && !fc1)
    throw new UserError(`${path} lacks prompts or projection`, 'restore the file, or distil again');
  return {
    prompts,
    projection: await readProjection(path, tensors, inputs, outputs),
    weights,
    width: tensors.get('vision.0')?.shape[1] ?? 0,
    inputs,
    outputs,
    clip: metadata.clip ?? '',
    clipHash: metadata.clip_sha256 ?? '',
  };
}

async function readProjection(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  inputs: number,
  outputs: number,
): Promise<ProjectionValues> {
  const projection: Record<string, Float32Array> = {};
  const layers = [...tensors.keys()].filter((name) => /^projection\.fc\d+\.weight$/.test(name)).length;
  for (const [name, shape] of Object.entries(projectionShapes(inputs, outputs, layers))) {
    const tensor = tensors.get(`${PROJECTION}${name}`);
    if (!tensor) throw new UserError(`${path}: ${PROJECTION}${name} is missing`, 'restore the file');
    if (tensor.shape.join() !== shape.join() || !tensor.dtype.includes('F'))
      throw new UserError(
        `${path}: ${PROJECTION}${name} is ${tensor.dtype} of shape [${tensor.shape.join(', ')}], expected floats of shape [${shape.join(', ')}]`,
        'restore the file, or distil again',
      );
    projection[name] = await tensor.read();
  }
  return projection;
}
