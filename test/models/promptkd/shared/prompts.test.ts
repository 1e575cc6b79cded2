import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../../../formats/tensors.js';
import type { ClipConfig } from '../../../../models/clip/config.js';
import {
  checkPromptShape,
  initialPrompts,
  type PromptValues,
  promptVariables,
  readPrompts,
  requireFitting,
  shapeOnlyPrompts,
} from '../../../../models/promptkd/shared/prompts.js';
import { Random } from '../../../../models/random.js';

const config: ClipConfig = {
  embed: 5,
  vision: { width: 6, layers: 3, heads: 1, patch: 4, resolution: 8, tokens: 5 },
  text: { width: 4, layers: 2, heads: 1, vocabulary: 40, contextLength: 16 },
  activation: 'quickGelu',
  layerNormEps: 1e-5,
};

/** A tensor of a file, its values counting from `first`. */
function stored(shape: readonly number[], first = 0, dtype = 'F32'): StoredTensor {
  const values = Float32Array.from({ length: shape.reduce((p, n) => p * n, 1) }, (_, i) => first + i);
  return { shape, dtype, read: async () => values } as unknown as StoredTensor;
}

const read = (tower: 'text' | 'vision', tensors: Record<string, StoredTensor>) =>
  readPrompts({ path: 'file.st', tensors: new Map(Object.entries(tensors)) }, tower);

describe('readPrompts', () => {
  it('reads the prompts of one tower in the order of their depths', async () => {
    const tensors = {
      'text.1': stored([2, 4], 20),
      'vision.0': stored([1, 6], 50),
      'text.0': stored([2, 4], 10),
      'projection.text.0': stored([3]),
    };
    expect((await read('text', tensors)).map(([first]) => first)).toEqual([10, 20]);
    expect((await read('vision', tensors)).map((values) => values.length)).toEqual([6]);
    expect(await read('text', { 'vision.0': stored([1, 6]) })).toEqual([]);
    expect(await read('text', { 'text.0': stored([1, 4], 3, 'F16') })).toHaveLength(1);
  });

  it.each([
    ['a gap', { 'text.0': stored([2, 4]), 'text.2': stored([2, 4]) }, /file\.st: text\.1 is missing/],
    ['no first', { 'text.1': stored([2, 4]) }, /text\.0 is missing/],
    ['another length', { 'text.0': stored([2, 4]), 'text.1': stored([3, 4]) }, /text\.1 of shape \[3, 4\]/],
    ['three axes', { 'text.0': stored([1, 2, 4]) }, /text\.0 of shape \[1, 2, 4\]/],
    ['no tokens', { 'text.0': stored([0, 4]) }, /text\.0 of shape \[0, 4\]/],
    ['no width', { 'text.0': stored([2, 0]) }, /text\.0 of shape \[2, 0\]/],
    ['whole numbers', { 'text.0': stored([2, 4], 0, 'I64') }, /text\.0 of shape/],
  ])('refuses %s', async (_, tensors, message) => {
    await expect(read('text', tensors as Record<string, StoredTensor>)).rejects.toThrow(message);
  });

  it('takes prompts of one token and one number', async () => {
    expect(await read('text', { 'text.0': stored([1, 1], 7) })).toEqual([Float32Array.of(7)]);
  });
});

describe('requireFitting', () => {
  const values = (text: number[], vision: number[]): PromptValues => ({
    text: text.map((length) => new Float32Array(length)),
    vision: vision.map((length) => new Float32Array(length)),
  });

  it('takes as many prompts as there are blocks, of the width of the tower', () => {
    requireFitting('p', values([8, 8], [6, 6, 6]), config);
    requireFitting('p', values([], []), config);
  });

  it.each([
    [values([8, 8, 8], []), /3 text prompts for the 2 blocks/],
    [values([], [6, 6, 6, 6]), /4 vision prompts for the 3 blocks/],
    [values([6], []), /text prompts of 6 numbers for a width of 4/],
    [values([8], [8]), /vision prompts of 8 numbers for a width of 6/],
  ])('refuses others', (given, message) => {
    expect(() => requireFitting('file.st', given, config)).toThrow(message);
    expect(() => requireFitting('file.st', given, config)).toThrow(/^file\.st /);
  });
});

describe('checkPromptShape', () => {
  const shape = { textDepth: 2, visionDepth: 3, textLength: 4, visionLength: 4 };
  it('takes depths up to the number of blocks', () => {
    checkPromptShape(shape, config);
    checkPromptShape({ ...shape, textDepth: 0, visionDepth: 0 }, config);
    expect(() => checkPromptShape({ ...shape, textDepth: 3 }, config)).toThrow(
      /text prompt depth 3 .* 2 blocks/,
    );
    expect(() => checkPromptShape({ ...shape, visionDepth: 4 }, config)).toThrow(/vision .* 4 .* 3 blocks/);
  });

  it('leaves room for a name, its full stop, start and end in the text encoder, where that has prompts', () => {
    checkPromptShape({ ...shape, textLength: 12, visionLength: 99 }, config);
    expect(() => checkPromptShape({ ...shape, textLength: 13 }, config)).toThrow(/^13 prompt tokens .* 16 /);
    checkPromptShape({ ...shape, textDepth: 0, textLength: 13 }, config);
  });
});

describe('initialPrompts', () => {
  const shape = { textDepth: 2, visionDepth: 3, textLength: 50, visionLength: 40 };

  it('draw everything from a normal distribution of deviation 0.02, each prompt anew', () => {
    const { text, vision } = initialPrompts(shape, config, Random.of(1));
    expect(text.map((values) => values.length)).toEqual([200, 200]);
    expect(vision.map((values) => values.length)).toEqual([240, 240, 240]);
    for (const values of [...text, ...vision]) {
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
      expect(Math.abs(mean)).toBeLessThan(0.006);
      expect(deviation).toBeGreaterThan(0.017);
      expect(deviation).toBeLessThan(0.023);
    }
    expect(text[0]).not.toEqual(text[1]);
    expect(initialPrompts(shape, config, Random.of(1))).toEqual({ text, vision });
  });

  it('take the words of the context for the first text prompt alone', () => {
    const context = new Float32Array(200).fill(3);
    const { text, vision } = initialPrompts(shape, config, Random.of(2), context);
    expect(text[0]).toBe(context);
    for (const values of [text[1]!, ...vision]) expect(Math.max(...values)).toBeLessThan(1);
    expect(initialPrompts({ ...shape, textDepth: 0, visionDepth: 0 }, config, Random.of(1), context)).toEqual(
      {
        text: [],
        vision: [],
      },
    );
  });
});

describe('promptVariables', () => {
  it('have the width of their tower and are named by it', () => {
    const values = {
      text: [new Float32Array(8)],
      vision: [new Float32Array(6).fill(2), new Float32Array(6)],
    };
    const { text, vision } = promptVariables(values, config);
    expect(text.map(String)).toEqual(['text.0[2, 4]']);
    expect(vision.map(String)).toEqual(['vision.0[1, 6]', 'vision.1[1, 6]']);
    expect(vision[0]!.leaf).toMatchObject({ kind: 'variable', data: values.vision[0] });
  });

  it('are the same by shapes alone', () => {
    const of = (tower: 'text' | 'vision', depth: number, length: number) =>
      shapeOnlyPrompts(tower, { depth, length }, config);
    expect(of('text', 2, 3).map(String)).toEqual(['text.0[3, 4]', 'text.1[3, 4]']);
    expect(of('vision', 1, 5).map(String)).toEqual(['vision.0[5, 6]']);
    expect(of('vision', 0, 5)).toEqual([]);
    expect(of('text', 1, 1)[0]!.leaf).toMatchObject({ kind: 'variable' });
  });
});
