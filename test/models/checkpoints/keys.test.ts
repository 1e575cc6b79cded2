import { describe, expect, test } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { type Checkpoint, storedTensor } from '../../../formats/tensors.js';
import { canonicalState } from '../../../models/checkpoints/keys.js';
import {
  type FixtureTensor,
  rename,
  studentClip,
  TINY_CONFIG,
  tensorOf,
  tinyClip,
  trainerClip,
} from '../../helpers/tinyClip.js';

function checkpoint(tensors: readonly FixtureTensor[], config?: Checkpoint['config']): Checkpoint {
  const fail = (problem: string): never => {
    throw new Error(problem);
  };
  const stored = tensors.map(({ name, shape, data }) => {
    const bytes = async () => new Uint8Array(data.buffer).slice();
    return [name, storedTensor({ name, dtype: 'F32', shape, bytes, fail })] as const;
  });
  return {
    path: 'clip.pt',
    format: 'test',
    tensors: new Map(stored),
    metadata: {},
    ...(config && { config }),
  };
}

const without = (tensors: FixtureTensor[], name: string) => tensors.filter((tensor) => tensor.name !== name);

/** All values of a state, to compare two. */
async function values(tensors: readonly FixtureTensor[]) {
  const state = canonicalState(checkpoint(tensors));
  const entries = await Promise.all(
    [...state.tensors].map(async ([name, t]) => [name, [...(await t.read())]]),
  );
  return Object.fromEntries(entries);
}

/** The tiny CLIP as Hugging Face's `CLIPModel` names and splits it. */
function huggingFace(): FixtureTensor[] {
  const leaves: [RegExp, string][] = [
    [/^visual\.transformer\.resblocks/, 'vision_model.encoder.layers'],
    [/^transformer\.resblocks/, 'text_model.encoder.layers'],
    [/ln_1/, 'layer_norm1'],
    [/ln_2/, 'layer_norm2'],
    [/attn\.out_proj/, 'self_attn.out_proj'],
    [/mlp\.c_fc/, 'mlp.fc1'],
    [/mlp\.c_proj/, 'mlp.fc2'],
    [/^visual\.class_embedding/, 'vision_model.embeddings.class_embedding'],
    [/^visual\.conv1/, 'vision_model.embeddings.patch_embedding'],
    [/^visual\.positional_embedding/, 'vision_model.embeddings.position_embedding.weight'],
    [/^visual\.ln_pre/, 'vision_model.pre_layrnorm'],
    [/^visual\.ln_post/, 'vision_model.post_layernorm'],
    [/^token_embedding/, 'text_model.embeddings.token_embedding'],
    [/^positional_embedding/, 'text_model.embeddings.position_embedding.weight'],
    [/^ln_final/, 'text_model.final_layer_norm'],
  ];
  const named = (name: string) => leaves.reduce((text, [from, to]) => text.replace(from, to), name);
  const tensors = tinyClip().flatMap((tensor): FixtureTensor[] => {
    const { name, shape, data } = tensor;
    const split = /^(.*)attn\.in_proj_(weight|bias)$/.exec(name);
    if (split)
      return [...'qkv'].map((part, i) => ({
        name: named(`${split[1]}self_attn.${part}_proj.${split[2]}`),
        shape: [shape[0]! / 3, ...shape.slice(1)],
        data: data.slice((i * data.length) / 3, ((i + 1) * data.length) / 3),
      }));
    if (name !== 'visual.proj' && name !== 'text_projection') return [{ ...tensor, name: named(name) }];
    const [rows, columns] = shape as [number, number];
    const turned = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
    const hf = name === 'visual.proj' ? 'visual_projection.weight' : 'text_projection.weight';
    return [{ name: hf, shape: [columns, rows], data: turned }];
  });
  return [...tensors, tensorOf('text_model.embeddings.position_ids', [1, 6])];
}

describe('all namings give one state dict', () => {
  test('OpenAI, its buffers left out', async () => {
    const state = canonicalState(
      checkpoint([...tinyClip(), tensorOf('input_resolution', []), tensorOf('vocab_size', [])]),
    );
    expect(state.naming).toBe('OpenAI names');
    expect(state.config).toEqual(TINY_CONFIG);
    expect([...state.tensors.keys()].sort()).toEqual(
      tinyClip()
        .map(({ name }) => name)
        .sort(),
    );
    expect(state.prompts).toBeUndefined();
  });

  test('Hugging Face, DataParallel and open_clip with its text prefix', async () => {
    const expected = await values(tinyClip());
    expect(await values(huggingFace())).toEqual(expected);
    expect(await values(rename(tinyClip(), (name) => `module.${name}`))).toEqual(expected);
    const isText = (name: string) => !/^(visual\.|logit_scale)/.test(name);
    expect(await values(rename(tinyClip(), (name) => (isText(name) ? `text.${name}` : name)))).toEqual(
      expected,
    );
  });

  test('a PromptSRC teacher: prompts apart, no token table', async () => {
    const { config, tensors, prompts, naming } = canonicalState(checkpoint(trainerClip()));
    expect(naming).toBe('PromptSRC names');
    expect(config.text).toEqual({ ...TINY_CONFIG.text, vocabulary: 0 });
    expect(tensors.has('transformer.resblocks.0.ln_1.weight')).toBe(true);
    expect(prompts?.text.map(({ name, shape }) => [name, shape])).toEqual([['text.0', [2, 64]]]);
    expect(prompts?.vision.map(({ name }) => name)).toEqual(['vision.0', 'vision.1']);
  });

  test('a PromptKD student: projection as matrices, no text tower', () => {
    const { config, prompts, projection } = canonicalState(checkpoint(studentClip()));
    expect(config.text).toEqual({ width: 0, layers: 0, heads: 0, vocabulary: 0, contextLength: 0 });
    expect(prompts?.text).toEqual([]);
    const shapes = [...projection!].map(([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(shapes)).toEqual({
      'fc1.weight': [12, 8],
      'fc1.bias': [12],
      'bn.weight': [12],
      'bn.bias': [12],
      'bn.running_mean': [12],
      'bn.running_var': [12],
      'fc2.weight': [12, 12],
      'fc2.bias': [12],
    });
  });

  test('a logit_scale saved as a list of one', () => {
    const tensors = [...without(tinyClip(), 'logit_scale'), tensorOf('logit_scale', [1])];
    expect(canonicalState(checkpoint(tensors)).tensors.get('logit_scale')!.shape).toEqual([]);
  });
});

describe('the prefix of a wrapper', () => {
  const under = (prefix: string, tensors: readonly FixtureTensor[]) =>
    rename(tensors, (name) => `${prefix}${name}`);
  const openClip = rename(tinyClip(), (name) =>
    /^(visual\.|logit_scale)/.test(name) ? name : `text.${name}`,
  );

  test.each([
    'clip_model.',
    'module.clip_model.',
    'model.',
    'clip.',
    'module.',
    'net.encoder.',
    'visual.',
    'a.module.',
  ])('%s is taken off, and said', async (prefix) => {
    const expected = await values(tinyClip());
    for (const [naming, tensors] of [
      ['OpenAI names', tinyClip()],
      ['Hugging Face names', huggingFace()],
      ['open_clip names', openClip],
    ] as const) {
      expect(await values(under(prefix, tensors))).toEqual(expected);
      const state = canonicalState(checkpoint(under(prefix, tensors)));
      expect(state.naming).toBe(`${naming} under "${prefix}"`);
      expect(state.notes).toEqual([`its names begin with "${prefix}", which is taken off`]);
    }
    const student = canonicalState(checkpoint(under(prefix, studentClip())));
    expect([...student.projection!.keys()]).toHaveLength(8);
    expect(canonicalState(checkpoint(tinyClip())).notes).toEqual([]);
  });

  test('leaves tensors out that lie beside the CLIP, and says which', async () => {
    const head = [tensorOf('classifier.weight', [3, 8]), tensorOf('classifier.bias', [3])];
    const wrapped = [...under('model.clip.', tinyClip()), ...head];
    expect(await values(wrapped)).toEqual(await values(tinyClip()));
    expect(canonicalState(checkpoint(wrapped)).notes).toEqual([
      'its names begin with "model.clip.", which is taken off; 2 tensors beside it ignored: "classifier.weight", "classifier.bias"',
    ]);
  });

  test.each<[string, FixtureTensor[], string]>([
    [
      'two CLIPs',
      [...under('student.', tinyClip()), ...under('teacher.', tinyClip())],
      'it holds 2 CLIPs, under "student.", "teacher."',
    ],
    [
      'prompts beside it',
      [...under('clip_model.', tinyClip()), tensorOf('prompt_learner.ctx', [4, 64])],
      'it has "prompt_learner.ctx", which is learned',
    ],
    [
      'another key under it',
      [...under('clip.', tinyClip()), tensorOf('clip.extra', [1])],
      '"extra" is unknown',
    ],
    [
      'a ResNet',
      under('clip.', [tensorOf('visual.layer1.0.conv1.weight', [2])]),
      'its image encoder is a ResNet',
    ],
    [
      'a part without it',
      [...under('clip.', without(tinyClip(), 'visual.proj')), tensorOf('visual.proj', [64, 8])],
      '"visual.conv1.weight" is missing',
    ],
  ])('does not hide %s', (_, tensors, message) => {
    const run = () => canonicalState(checkpoint(tensors));
    expect(run).toThrow(UserError);
    expect(run).toThrow(message);
  });
});

describe('wrong keys and shapes', () => {
  const block = 'transformer.resblocks.0';
  const cases: [string, FixtureTensor[], string][] = [
    ['nothing', [], 'no CLIP with a ViT is in it: it is empty'],
    ['another model', [tensorOf('encoder.weight', [2])], 'first keys are "encoder.weight"'],
    ['missing', without(tinyClip(), `${block}.ln_1.bias`), `"${block}.ln_1.bias" is missing, expected [64]`],
    ['no token table', without(tinyClip(), 'token_embedding.weight'), '"token_embedding.weight" is missing'],
    ['a ResNet', [tensorOf('visual.layer1.0.conv1.weight', [2])], 'its image encoder is a ResNet'],
    [
      'wrong shape',
      [...without(tinyClip(), 'visual.proj'), tensorOf('visual.proj', [32, 8])],
      '"visual.proj" has the shape [32, 8], expected [64, 8]',
    ],
    ['unknown', [...tinyClip(), tensorOf('visual.extra', [1])], '"visual.extra" is unknown'],
    [
      'doubled',
      [...tinyClip(), tensorOf('module.visual.proj', [64, 8])],
      '"visual.proj" and "visual.proj" mean the same tensor',
    ],
    [
      'half of q, k, v',
      without(huggingFace(), 'text_model.encoder.layers.0.self_attn.k_proj.bias'),
      `the k part of "${block}.attn.in_proj_bias" is missing`,
    ],
    ['prompt gap', without(trainerClip(), 'image_encoder.VPT'), 'the vision prompt of block 0 is missing'],
    [
      'wrong prompt',
      [...without(trainerClip(), 'prompt_learner.ctx'), tensorOf('prompt_learner.ctx', [2, 32])],
      '"prompt_learner.ctx" (OpenAI: text.0) has the shape [2, 32], expected [2, 64]',
    ],
    ['headless', without(studentClip(), 'VPT_image_trans.conv1.3.bias'), '"fc2.bias" of the projection'],
    [
      'MaPLe',
      [...trainerClip(), tensorOf('prompt_learner.proj.weight', [1])],
      '"prompt_learner.proj.weight"',
    ],
  ];
  test.each(cases)('%s', (_, tensors, message) => {
    const run = () => canonicalState(checkpoint(tensors));
    expect(run).toThrow(UserError);
    expect(run).toThrow(message);
    expect(run).toThrow('clip.pt: ');
  });
});
