/** Writes a finished run as one file for others: the authors' PyTorch code, or whoever reads safetensors. */
import { UserError } from '../../../engine/index.js';
import type { WrittenPiece } from '../../../formats/files.js';
import { pytorchCheckpoint } from '../../../formats/pytorch/pytorchWriter.js';
import { openSafetensors, streamSafetensors } from '../../../formats/safetensors.js';
import { type Checkpoint, renamed, type StoredTensor } from '../../../formats/tensors.js';
import { byteCount, type WritableTensor, writable, writableInteger } from '../../../formats/writable.js';
import type { ClipCheckpoint } from '../../checkpoints/load.js';
import type { Platform } from '../../platform.js';
import { type RunKind, readRunConfig, runKind } from '../../runs/runFolder.js';
import { classVectorMetadata, readClassVectors } from '../classVectors/classVectors.js';
import { openFrozenClip, openLearned } from '../files/learnedFile.js';
import { CLASS_VECTORS_FILE, MERGED_KIND, readStudent } from '../files/studentFile.js';
import { projectionKey, promptKey, trainerKey } from '../files/trainerKeys.js';

/** Kinds of files that a run is exported as. */
export const EXPORT_FORMATS = ['pytorch', 'safetensors', 'onnx'] as const;

/** What kind of file is written. */
export interface ExportOptions {
  readonly format: (typeof EXPORT_FORMATS)[number];
  /** safetensors: the frozen image encoder too, so that the file needs nothing else. PyTorch files always have it. */
  readonly merged?: boolean;
  /** Frozen matrices as float16; what was learned stays float32. Otherwise everything stays as it is stored. */
  readonly half?: boolean;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** What was written. */
export interface Exported {
  readonly kind: RunKind;
  readonly tensors: number;
  /** Of the tensors. */
  readonly bytes: number;
}

/**
 * Writes the run in `run` to the file `out`, which is replaced.
 *
 * @throws UserError when the run is not finished, its CLIP is gone or another one, or the options do not fit
 */
export async function exportRun(
  platform: Platform,
  run: string,
  out: string,
  options: ExportOptions,
): Promise<Exported> {
  const kind = (await runKind(platform, run)) ?? 'student';
  const config = await readRunConfig(platform, run, kind);
  if (options.format === 'onnx') return exportOnnx(platform, run, out, kind, String(config.clip), options);
  const whole = options.format === 'pytorch' || options.merged === true;
  if (options.half && !whole)
    throw new UserError(
      'without the image encoder there is nothing to store as float16: what was learned stays float32',
      'add --merged, or leave out --half',
    );
  if (kind === 'teacher' && options.format === 'safetensors' && options.merged)
    throw new UserError(
      `${run} is a teacher, and merged files are for students`,
      'export it with --format pytorch, or its prompts alone without --merged',
    );
  const learned = await openLearned(platform, run, kind === 'teacher' ? 'teacher' : 'student');
  if (learned.tensors.size === 0)
    throw new UserError(`${run} is plain CLIP and has learned nothing`, 'give others its CLIP itself');
  if (kind === 'student' && options.format === 'pytorch' && !learned.tensors.has('projection.fc1.weight'))
    throw new UserError(
      `${run} has no projection, and the authors' code knows no such student`,
      'export it with --format safetensors --merged',
    );
  const classVectors =
    kind === 'student' ? await openSafetensors(platform, platform.join(run, CLASS_VECTORS_FILE)) : undefined;
  const { tensors, metadata } = whole
    ? await wholeModel(platform, run, String(config.clip), learned, kind, options)
    : { tensors: copies(learned), metadata: learned.metadata };

  if (options.format === 'pytorch') {
    // The authors' loader prints `val_result` as a number, so "not measured" must be one.
    const scalars = { epoch: Number(config.epochs), val_result: Number.NaN, ...metadata };
    await platform.write(out, counted(pytorchCheckpoint(tensors, scalars), tensors, options));
    return { kind, tensors: tensors.length, bytes: totalBytes(tensors) };
  }
  const all = [...tensors, ...(classVectors ? copies(classVectors) : [])];
  const described = {
    ...(classVectors && classVectorMetadata(classVectors.metadata)),
    ...metadata,
    ...(options.merged && { kind: MERGED_KIND }),
  };
  await platform.write(out, counted(streamSafetensors(all, described, platform.crc32), all, options));
  return { kind, tensors: all.length, bytes: totalBytes(all) };
}

async function exportOnnx(
  platform: Platform,
  run: string,
  out: string,
  kind: RunKind,
  clip: string,
  options: ExportOptions,
): Promise<Exported> {
  if (kind === 'teacher')
    throw new UserError(
      `${run} is a teacher, and ONNX files are for students`,
      'export it with --format pytorch or safetensors',
    );
  const student = await readStudent(platform, run);
  const classes = await readClassVectors(platform, platform.join(run, CLASS_VECTORS_FILE));
  const checkpoint = await openFrozenClip(platform, clip, student.clipHash, run);
  // Only here, as it loads a library that no other command needs at its start.
  const { encodeOnnx } = await import('./exportOnnx.js');
  const { bytes, tensors } = await encodeOnnx(student, checkpoint, classes, options);
  await platform.write(out, bytes);
  return { kind, tensors, bytes: bytes.length };
}

/** Frozen towers and what was learned, under the authors' names. */
async function wholeModel(
  platform: Platform,
  run: string,
  clip: string,
  learned: Checkpoint,
  kind: RunKind,
  options: ExportOptions,
): Promise<{ tensors: WritableTensor[]; metadata: Record<string, string> }> {
  const { template, clip_sha256: clipHash } = learned.metadata;
  const checkpoint = await openFrozenClip(platform, clip, clipHash, run);
  // Full fine-tuning has learned the image encoder itself.
  const tuned = new Set([...learned.tensors.keys()].map(trainerKey));
  const tensors = [
    ...frozenTensors(checkpoint, kind, options.half === true).filter(({ name }) => !tuned.has(name)),
    ...[...learned.tensors].flatMap(([name, tensor]) => learnedTensors(name, tensor)),
  ];
  // What shapes do not say.
  const { activation, layerNormEps } = checkpoint.config;
  const metadata = {
    activation: activation === 'gelu' ? 'gelu' : 'quick_gelu',
    layer_norm_eps: String(layerNormEps),
    clip_sha256: await checkpoint.sha256(),
    ...(template && { template }),
  };
  return { tensors, metadata };
}

function frozenTensors({ tensors }: ClipCheckpoint, kind: RunKind, half: boolean): WritableTensor[] {
  return [...tensors].flatMap(([name, tensor]) => {
    const key = trainerKey(name);
    const wanted = kind === 'teacher' || name === 'logit_scale' || name.startsWith('visual.');
    if (key === undefined || !wanted) return [];
    const asHalf = tensor.dtype === 'F16' || (half && tensor.shape.length >= 2);
    return [writable(tensor, key, asHalf ? 'F16' : 'F32')];
  });
}

/** One tensor of our own file; a BatchNorm's mean brings the counter that PyTorch keeps beside it. */
function learnedTensors(name: string, tensor: StoredTensor): WritableTensor[] {
  const prompt = /^(text|vision)\.(\d+)$/.exec(name);
  if (prompt) return [writable(tensor, promptKey(prompt[1] as 'text' | 'vision', Number(prompt[2])), 'F32')];
  if (name.startsWith('visual.')) return [writable(tensor, trainerKey(name)!, 'F32')];
  const part = name.replace(/^projection\./, '');
  const key = projectionKey(part);
  // A 1 x 1 convolution where we have a matrix.
  const shape = tensor.shape.length === 2 ? [...tensor.shape, 1, 1] : tensor.shape;
  const found = writable(renamed(tensor, key, shape), key, 'F32');
  return part.endsWith('.mean')
    ? [found, writableInteger(key.replace('running_mean', 'num_batches_tracked'), 0)]
    : [found];
}

const copies = ({ tensors }: Checkpoint): WritableTensor[] =>
  [...tensors].map(([name, tensor]) => writable(tensor, name, 'F32'));

async function* counted(
  chunks: AsyncIterable<WrittenPiece>,
  tensors: readonly WritableTensor[],
  { onProgress }: ExportOptions,
): AsyncGenerator<WrittenPiece> {
  const total = totalBytes(tensors);
  let done = 0;
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk instanceof Uint8Array ? chunk.length : 0;
    onProgress?.(Math.min(done, total), total);
  }
}

const totalBytes = (tensors: readonly WritableTensor[]): number =>
  tensors.reduce((sum, tensor) => sum + byteCount(tensor), 0);
