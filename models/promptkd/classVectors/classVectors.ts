/** Class vectors: the tuned teacher's text features, computed once and kept in a file of their own (docs/method.md 2). */
import { UserError } from '../../../engine/index.js';
import { readable } from '../../../formats/fileErrors.js';
import { parseLimitedJson } from '../../../formats/json.js';
import { openByContent } from '../../../formats/openByContent.js';
import { encodeSafetensors } from '../../../formats/safetensors.js';
import type { Platform } from '../../platform.js';
import type { ClassVectorRows } from '../shared/logits.js';

/** Rows of `values` `[n, width]` divided by their L2 norm, in float64 inside. */
export function normalizeRows(values: Float32Array, width: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    let total = 0;
    for (let i = start; i < start + width; i++) total += values[i]! ** 2;
    const scale = 1 / Math.sqrt(total);
    for (let i = start; i < start + width; i++) result[i] = values[i]! * scale;
  }
  return result;
}

/**
 * Mean over templates of features `[templates, classes, width]` -> `[classes, width]`.
 *
 * @throws Error when the features are not of that shape
 */
export function meanOverTemplates(features: Float32Array, templates: number, width: number): Float32Array {
  const size = features.length / templates;
  const sum = new Float64Array(size);
  for (let t = 0; t < templates; t++) for (let i = 0; i < size; i++) sum[i]! += features[t * size + i]!;
  if (size % width !== 0) throw new Error(`${features.length} features are no ${templates} x n x ${width}`);
  return Float32Array.from(sum, (value) => value / templates);
}

/** Class vectors with what made them. */
export interface ClassVectors extends ClassVectorRows {
  /** In row order. */
  readonly classNames: readonly string[];
  /** With `{}` where the class name goes. */
  readonly template: string;
  /** SHA-256 of the CLIP checkpoint, and of the teacher's prompts (absent for plain CLIP). */
  readonly clipHash: string;
  readonly teacherHash?: string;
  /** `exp(logit_scale)` of the model that made them. */
  readonly logitScale: number;
}

const KIND = 'promptkd class vectors';

/** Class vectors as a safetensors file. */
export function encodeClassVectors(vectors: ClassVectors): Uint8Array {
  const { count, embed, classNames, template, clipHash, teacherHash, logitScale } = vectors;
  return encodeSafetensors(
    [{ name: 'class_vectors', dtype: 'F32', shape: [count, embed], data: vectors.vectors }],
    {
      kind: KIND,
      class_names: JSON.stringify(classNames),
      template,
      clip_sha256: clipHash,
      ...(teacherHash && { teacher_sha256: teacherHash }),
      logit_scale: String(logitScale),
    },
  );
}

/** What describes class vectors inside another file, where `clip_sha256` is taken. */
export function classVectorMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const { kind: _, clip_sha256: clipHash, ...rest } = metadata;
  return { ...rest, ...(clipHash && { teacher_clip_sha256: clipHash }) };
}

/** Reads a file of class vectors, or those in an exported student. Throws `UserError` when it is something else. */
export async function readClassVectors(platform: Platform, path: string): Promise<ClassVectors> {
  const file = await openByContent(platform, path);
  const tensor = file.tensors.get('class_vectors');
  const { metadata } = file;
  const classNames = parseNames(metadata.class_names);
  const [rows, width] = tensor?.shape ?? [];
  if (tensor?.shape.length !== 2 || !rows || !width || classNames?.length !== rows)
    throw new UserError(`${path} holds no class vectors`, 'make them with: promptkd class-vectors');
  const logitScale = Number(metadata.logit_scale);
  if (!(logitScale > 0 && logitScale < Infinity))
    throw new UserError(
      readable(`${path}: its metadata has the logit_scale "${metadata.logit_scale ?? ''}"`),
      'make the class vectors again with: promptkd class-vectors',
    );
  return {
    vectors: await tensor.read(),
    count: rows,
    embed: width,
    classNames,
    template: metadata.template ?? '',
    clipHash: metadata.teacher_clip_sha256 ?? metadata.clip_sha256 ?? '',
    ...(metadata.teacher_sha256 && { teacherHash: metadata.teacher_sha256 }),
    logitScale,
  };
}

/**
 * The rows of the wanted classes, in their order.
 *
 * @throws UserError naming a class that `file` has no vector for
 */
export function pickClasses(
  vectors: ClassVectors,
  wanted: readonly string[] | undefined,
  file: string,
): ClassVectors {
  if (!wanted) return vectors;
  const { embed, classNames } = vectors;
  const picked = new Float32Array(wanted.length * embed);
  for (const [i, name] of wanted.entries()) {
    const row = classNames.indexOf(name);
    if (row < 0)
      throw new UserError(
        `${file} has no vector for the class "${name}"`,
        'make class vectors for these classes with: promptkd class-vectors',
      );
    picked.set(vectors.vectors.subarray(row * embed, (row + 1) * embed), i * embed);
  }
  return { ...vectors, vectors: picked, count: wanted.length, classNames: wanted };
}

/** A list of names as JSON; undefined for anything else. */
export function parseNames(text = ''): string[] | undefined {
  try {
    const names = parseLimitedJson(text);
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
  } catch {
    return undefined;
  }
}
