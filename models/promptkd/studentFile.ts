/** The file of a distilled student: vision prompts and the projection head. */
import { UserError } from '../../engine/errors.js';
import { encodeSafetensors, openSafetensors } from '../checkpoints/safetensors.js';
import type { Checkpoint } from '../checkpoints/tensors.js';
import type { Platform } from '../platform.js';
import { type ProjectionValues, projectionShapes } from './projection.js';

/** Names of the files in a run folder. */
export const STUDENT_FILE = 'student.safetensors';
export const CLASS_VECTORS_FILE = 'class-vectors.safetensors';
/** `kind` in the metadata of a run's student, and of a self-contained one with its image encoder. */
export const STUDENT_KIND = 'promptkd student';
export const MERGED_KIND = 'promptkd merged student';

export interface StoredStudent {
  readonly prompts: readonly Float32Array[];
  readonly projection: ProjectionValues;
  /** Width of the student's image encoder, its embedding and the teacher's. */
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly clip: string;
  readonly clipHash: string;
}

export function encodeStudent(student: StoredStudent): Uint8Array {
  const { prompts, projection, width, inputs, outputs } = student;
  const shapes = projectionShapes(inputs, outputs);
  return encodeSafetensors(
    [
      ...prompts.map((data, i) => ({
        name: `vision.${i}`,
        dtype: 'F32' as const,
        shape: [data.length / width, width],
        data,
      })),
      ...(Object.keys(shapes) as (keyof ProjectionValues)[]).map((name) => ({
        name: `projection.${name}`,
        dtype: 'F32' as const,
        shape: shapes[name],
        data: projection[name],
      })),
    ],
    { kind: STUDENT_KIND, clip: student.clip, clip_sha256: student.clipHash },
  );
}

/** Reads the student of a run folder. Throws `UserError` when the run has not finished. */
export async function readStudent(platform: Platform, run: string): Promise<StoredStudent> {
  return readStudentFile(platform, platform.join(run, STUDENT_FILE), run);
}

/** Opens the file of a student at `path`; `run` is what the user gave, for messages. */
export async function openStudentFile(platform: Platform, path: string, run: string): Promise<Checkpoint> {
  if (!(await platform.stat(path)))
    throw new UserError(
      `${run} has no ${STUDENT_FILE}: it is no finished stage-2 run`,
      'finish it with: promptkd distill --resume, or give another run',
    );
  const file = await openSafetensors(platform, path);
  if (file.metadata.kind !== STUDENT_KIND)
    throw new UserError(`${path} was not written by stage 2`, 'give the folder of a student run');
  return file;
}

/** Reads what `encodeStudent` wrote. */
export async function readStudentFile(platform: Platform, path: string, run = path): Promise<StoredStudent> {
  const { metadata, tensors } = await openStudentFile(platform, path, run);
  const fc1 = tensors.get('projection.fc1.weight');
  const first = tensors.get('vision.0');
  if (!fc1 || !first)
    throw new UserError(`${path} lacks prompts or projection`, 'restore the file, or distil again');
  const [outputs, inputs] = fc1.shape as [number, number];
  const prompts: Float32Array[] = [];
  for (let i = 0; tensors.has(`vision.${i}`); i++) prompts.push(await tensors.get(`vision.${i}`)!.read());
  const projection: Record<string, Float32Array> = {};
  for (const name of Object.keys(projectionShapes(inputs, outputs))) {
    const tensor = tensors.get(`projection.${name}`);
    if (!tensor) throw new UserError(`${path}: projection.${name} is missing`, 'restore the file');
    projection[name] = await tensor.read();
  }
  return {
    prompts,
    projection: projection as unknown as ProjectionValues,
    width: first.shape[1]!,
    inputs,
    outputs,
    clip: metadata.clip ?? '',
    clipHash: metadata.clip_sha256 ?? '',
  };
}
