/** Learned prompts of both towers: how many, where, and how they start (IVLP's design; docs/method.md 1.2). */
import { type Tensor, UserError, variable } from '../../../engine/index.js';
import { readable } from '../../../formats/fileErrors.js';
import type { Checkpoint } from '../../../formats/tensors.js';
import type { ClipConfig } from '../../clip/config.js';
import type { Random } from '../../random.js';

/** A tower of a CLIP. */
export type Tower = 'text' | 'vision';

/** Something of each tower. */
export type ByTower<T> = Readonly<Record<Tower, T>>;

/** What a function gives for each tower. */
export const byTower = <T>(make: (tower: Tower) => T): ByTower<T> => ({
  text: make('text'),
  vision: make('vision'),
});

/** Prompt tensors: index = depth; `text[0]` is the context, `vision[0]` the tokens appended to the patches. */
export type Prompts = ByTower<readonly Tensor[]>;

/** Values of prompts on the host, as read from a file or made by an initialisation. */
export type PromptValues = ByTower<readonly Float32Array[]>;

/** How many prompts both towers have, and of how many tokens. */
export interface PromptShape {
  /** Number of blocks with prompts; 0 means none in that tower. */
  readonly textDepth: number;
  readonly visionDepth: number;
  readonly textLength: number;
  readonly visionLength: number;
}

/** How many blocks of a tower have prompts, and of how many tokens. */
export interface PromptSize {
  readonly depth: number;
  readonly length: number;
}

/** The same by tower. */
export const promptSizes = (shape: PromptShape): ByTower<PromptSize> =>
  byTower((tower) => ({ depth: shape[`${tower}Depth`], length: shape[`${tower}Length`] }));

/**
 * The prompts of one tower in a file of ours: `text.0`, `text.1`, ... without a gap, each `[tokens, width]`.
 *
 * @throws UserError naming file and tensor for other shapes and types
 */
export async function readPrompts(
  { path, tensors }: Pick<Checkpoint, 'path' | 'tensors'>,
  tower: Tower,
): Promise<Float32Array[]> {
  const names = [...tensors.keys()].filter((name) => name.startsWith(`${tower}.`));
  const shape = tensors.get(`${tower}.0`)?.shape;
  const values: Float32Array[] = [];
  for (let i = 0; i < names.length; i++) {
    const tensor = tensors.get(`${tower}.${i}`);
    const fits =
      shape?.length === 2 && shape[0]! > 0 && shape[1]! > 0 && tensor?.shape.join() === shape.join();
    if (!tensor || !fits || !tensor.dtype.includes('F'))
      throw new UserError(
        readable(
          `${path}: ${tower}.${i} ${tensor ? `of shape [${tensor.shape.join(', ')}] is not a prompt like the others` : 'is missing'}`,
        ),
        'restore the file, or train again',
      );
    values.push(await tensor.read());
  }
  return values;
}

/** @throws UserError naming `path` when its prompts do not fit the towers of the CLIP */
export function requireFitting(path: string, values: PromptValues, config: ClipConfig): void {
  for (const tower of ['text', 'vision'] as const) {
    const { width, layers } = config[tower];
    const [first] = values[tower];
    const problem =
      values[tower].length > layers
        ? `has ${values[tower].length} ${tower} prompts for the ${layers} blocks of its CLIP`
        : first && first.length % width !== 0
          ? `has ${tower} prompts of ${first.length} numbers for a width of ${width}`
          : undefined;
    if (problem) throw new UserError(`${path} ${problem}`, 'give the CLIP that it was made with');
  }
}

/** Standard deviation of the initial deep prompts. */
const INITIAL_DEVIATION = 0.02;

/** Tokens of the shortest class prompt beside the context: start, a name, full stop and end. */
const LEAST_OTHERS = 4;

/** @throws UserError when a tower has fewer blocks than have prompts, or the text encoder no room for a context and a class name */
export function checkPromptShape(shape: PromptShape, config: ClipConfig): void {
  for (const tower of ['text', 'vision'] as const) {
    const depth = shape[`${tower}Depth`];
    const { layers } = config[tower];
    if (depth > layers)
      throw new UserError(
        `${tower} prompt depth ${depth} is more than the ${layers} blocks of the ${tower} tower`,
        `set the ${tower} prompt depth to ${layers} or less`,
      );
  }
  const { contextLength } = config.text;
  const most = contextLength - LEAST_OTHERS;
  if (shape.textDepth > 0 && shape.textLength > most)
    throw new UserError(
      `${shape.textLength} prompt tokens leave no room for a class name in the ${contextLength} tokens of the text encoder`,
      `set textLength to ${most} or less`,
    );
}

/**
 * Initial prompts: the context is the token embeddings of the initial words, everything else is N(0, 0.02²).
 *
 * @param context embeddings of the initial words `[textLength, text width]`; random when absent
 */
export function initialPrompts(
  shape: PromptShape,
  config: ClipConfig,
  random: Random,
  context?: Float32Array,
): PromptValues {
  const draw = (count: number) =>
    Float32Array.from({ length: count }, () => random.normal() * INITIAL_DEVIATION);
  return {
    text: Array.from({ length: shape.textDepth }, (_, i) =>
      i === 0 && context ? context : draw(shape.textLength * config.text.width),
    ),
    vision: Array.from({ length: shape.visionDepth }, () => draw(shape.visionLength * config.vision.width)),
  };
}

/** Prompts as variables on the device, `[length, width]` each. */
export function promptVariables(values: PromptValues, config: ClipConfig): Prompts {
  return byTower((tower) => {
    const { width } = config[tower];
    return values[tower].map((data, i) => variable(data, [data.length / width, width], `${tower}.${i}`));
  });
}

/** The prompts of one tower by their shapes alone. */
export const shapeOnlyPrompts = (tower: Tower, { depth, length }: PromptSize, config: ClipConfig): Tensor[] =>
  Array.from({ length: depth }, (_, i) =>
    variable(undefined, [length, config[tower].width], `${tower}.${i}`),
  );
