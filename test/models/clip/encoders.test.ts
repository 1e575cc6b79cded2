import { describe, expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { type ClipConfig, expectedShapes } from '../../../models/clip/config.js';
import { encodeText, trimTokens } from '../../../models/clip/text.js';
import { encodeImages } from '../../../models/clip/vision.js';
import { Weights } from '../../../models/clip/weights.js';
import { checkGradient, relativeError, TestRandom, testGpu } from '../../helpers/check.js';

const config: ClipConfig = {
  embed: 5,
  vision: { width: 64, layers: 2, heads: 1, patch: 4, resolution: 8, tokens: 5 },
  text: { width: 64, layers: 2, heads: 1, vocabulary: 20, contextLength: 9 },
  activation: 'quickGelu',
  layerNormEps: 1e-5,
};

/** Every weight as a variable with random values, LayerNorm's and biases too: their defaults would hide mistakes. */
function randomWeights(random: TestRandom): Weights {
  const entries = [...expectedShapes(config)].map(([name, shape]): [string, Tensor] => {
    const size = shape.reduce((p, n) => p * n, 1);
    const values = random.array(size, name.includes('.ln_') ? 1 : 0.3);
    return [name, variable(values, shape.length ? shape : [1], name)];
  });
  return new Weights(new Map(entries));
}

describe('encodeImages', () => {
  it('has the right gradients for weights and prompts at any depth', async () => {
    const random = new TestRandom(1);
    const weights = randomWeights(random);
    const images = constant(random.array(2 * 3 * 64), [2, 3, 8, 8], 'images');
    const prompts = [random.variable([2, 64], 'vision.0'), random.variable([2, 64], 'vision.1')];
    const block = 'visual.transformer.resblocks.0';
    const trained = [
      'visual.conv1.weight',
      'visual.class_embedding',
      'visual.positional_embedding',
      'visual.ln_pre.weight',
      `${block}.attn.in_proj_weight`,
      `${block}.attn.in_proj_bias`,
      `${block}.ln_2.bias`,
      `${block}.mlp.c_fc.weight`,
      'visual.proj',
    ].map((name) => weights.get(name));
    const features = encodeImages(weights, config, images, prompts);
    await checkGradient(features, [...prompts, ...trained], {
      samples: 6,
      tolerance: 1e-3,
      differences: 1e-4,
    });
  });

  it('keeps a shallow prompt in the blocks above it, and replaces it where there is a deeper one', async () => {
    const random = new TestRandom(2);
    const weights = randomWeights(random);
    const images = constant(random.array(3 * 64), [1, 3, 8, 8], 'images');
    const [first, second] = [random.variable([1, 64], 'a'), random.variable([1, 64], 'b')];
    const outputs = [[], [first!], [first!, second!]].map((p) => encodeImages(weights, config, images, p));
    const plan = await Plan.compile(await testGpu(), { outputs });
    plan.run();
    const [plain, shallow, deep] = await Promise.all(outputs.map((output) => plan.read(output)));
    expect(relativeError(shallow!, plain!)).toBeGreaterThan(1e-3);
    expect(relativeError(deep!, shallow!)).toBeGreaterThan(1e-3);
  });
});

describe('encodeText', () => {
  const sequences = [
    [18, 3, 7, 19, 0, 0, 0, 0, 0],
    [18, 3, 9, 4, 19, 0, 0, 0, 0],
  ];

  function encode(random: TestRandom, length?: number) {
    const weights = randomWeights(random);
    const { tokens, count, length: cut, endRows } = trimTokens(sequences, length);
    const table = weights.get('token_embedding.weight').leaf!.data as Float32Array;
    const rows = Float32Array.from([...tokens].flatMap((t) => [...table.subarray(t * 64, (t + 1) * 64)]));
    const embedded = constant(rows, [count, cut, 64], 'embedded');
    const ends = constant(endRows, [count], 'ends');
    return { weights, encode: (prompts: Tensor[]) => encodeText(weights, config, embedded, ends, prompts) };
  }

  it('gives the same features cut behind the longest prompt as over the whole context', async () => {
    const short = encode(new TestRandom(3));
    const long = encode(new TestRandom(3), config.text.contextLength);
    const outputs = [short.encode([]), long.encode([])];
    const plan = await Plan.compile(await testGpu(), { outputs });
    plan.run();
    expect(relativeError(await plan.read(outputs[0]!), await plan.read(outputs[1]!))).toBeLessThan(1e-5);
  });

  it('has the right gradients for the context, deep prompts and weights', async () => {
    const random = new TestRandom(4);
    const { weights, encode: run } = encode(random);
    const prompts = [random.variable([2, 64], 'text.0'), random.variable([2, 64], 'text.1')];
    const trained = [
      'positional_embedding',
      'transformer.resblocks.1.attn.out_proj.weight',
      'text_projection',
    ];
    await checkGradient(run(prompts), [...prompts, ...trained.map((name) => weights.get(name))], {
      samples: 6,
      tolerance: 1e-3,
      differences: 1e-4,
    });
  });
});
