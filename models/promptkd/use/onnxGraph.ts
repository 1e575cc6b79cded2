/**
 * A student's classifier as an ONNX graph: normalised images in, logits out. The same computation as `encodeImages`, the projection
 * in evaluation and the cosine logits (models/clip/vision.ts, docs/method.md), in operators of the default domain.
 */
import { GraphBuilder } from '../../../formats/onnx/graphBuilder.js';
import type { OnnxModel } from '../../../formats/onnx/messages.js';
import type { ClipConfig } from '../../clip/config.js';

/** A stored weight: float32 values, or the bits of float16. */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint16Array;
}

/** A Linear layer: `[outputs, inputs]` and `[outputs]`. */
export interface Layer {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** What the graph is made of. */
export interface StudentParts {
  readonly config: ClipConfig;
  /** Weights of the image encoder by their OpenAI names. */
  readonly weights: ReadonlyMap<string, Weight>;
  /** One `[length, width]` a depth. */
  readonly prompts: readonly Weight[];
  /** The projection with its BatchNorm folded in; ReLU follows all but the last. */
  readonly layers: readonly Layer[];
  /** Unit rows `[classes, embed]`. */
  readonly classVectors: Weight;
  /** `exp(logit_scale)`. */
  readonly logitScale: number;
}

/** Name of the graph's input: float32 `[n, 3, resolution, resolution]`, normalised with CLIP's mean and deviation. */
export const INPUT = 'images';
/** Name of its output: float32 `[n, classes]`; their softmax is the probability of each class. */
export const OUTPUT = 'logits';

/** The graph without metadata. */
export function onnxGraph(parts: StudentParts): Omit<OnnxModel, 'metadata' | 'doc'> {
  const graph = new GraphBuilder();
  const { config, layers, classVectors, logitScale } = parts;
  let features = new Encoder(graph, parts).encode();
  for (const [i, { weight, bias }] of layers.entries()) {
    const name = `projection.fc${i + 1}`;
    const matrix = graph.float32(`${name}.weight`, [bias.length, weight.length / bias.length], weight);
    const offset = graph.float32(`${name}.bias`, [bias.length], bias);
    features = graph.node('Gemm', name, [features, matrix, offset], { transB: 1 });
    if (i + 1 < layers.length) features = graph.node('Relu', `${name}.relu`, [features]);
  }
  const length = graph.node('ReduceL2', 'features.length', [features], { axes: [1], keepdims: 1 });
  const unit = graph.node('Div', 'features.unit', [features, length]);
  const [classes] = classVectors.shape as [number, number];
  const vectors = graph.float32('class_vectors', classVectors.shape, classVectors.values as Float32Array);
  const cosines = graph.node('Gemm', 'cosines', [unit, vectors], { transB: 1 });
  graph.node('Mul', OUTPUT, [cosines, graph.scalar('logit_scale', logitScale)]);
  const { resolution } = config.vision;
  return {
    name: 'promptkd student',
    nodes: graph.nodes,
    tensors: graph.tensors,
    inputs: [
      {
        name: INPUT,
        shape: ['n', 3, resolution, resolution],
        doc: 'RGB images, resized and cropped as CLIP does, scaled to 0..1, minus mean, over deviation',
      },
    ],
    outputs: [{ name: OUTPUT, shape: ['n', classes], doc: 'scaled cosines; softmax gives probabilities' }],
  };
}

/** CLIP's image encoder with prompts. */
class Encoder {
  constructor(
    private readonly graph: GraphBuilder,
    private readonly parts: StudentParts,
  ) {}

  /** Image features `[n, embed]`, not normalised. */
  encode(): string {
    const { graph } = this;
    const { config, prompts } = this.parts;
    const { width, layers, patch, tokens } = config.vision;
    const kernel = [patch, patch];
    const conv = graph.node('Conv', 'patches', [INPUT, this.weight('visual.conv1.weight')], {
      kernel_shape: kernel,
      strides: kernel,
    });
    const flat = graph.node('Reshape', 'patches.flat', [conv, graph.integers(0, width, -1)]);
    const patches = graph.node('Transpose', 'patches.rows', [flat], { perm: [0, 2, 1] });
    const count = graph.node('Shape', 'n', [INPUT], { start: 0, end: 1 });
    const repeated = (name: string, value: string, rows: number) => {
      const shape = graph.node('Concat', `${name}.shape`, [count, graph.integers(rows, width)], { axis: 0 });
      return graph.node('Expand', name, [value, shape]);
    };
    const classToken = repeated('class token', this.weight('visual.class_embedding'), 1);
    let x = graph.node('Concat', 'tokens', [classToken, patches], { axis: 1 });
    x = graph.node('Add', 'tokens.placed', [x, this.weight('visual.positional_embedding')]);
    const promptAt = (depth: number) => {
      const { shape, values } = prompts[depth]!;
      const stored = graph.float32(`vision.${depth}`, shape, values as Float32Array);
      return repeated(`prompt ${depth}`, stored, shape[0]!);
    };
    if (prompts[0]) x = graph.node('Concat', 'tokens.prompted', [x, promptAt(0)], { axis: 1 });
    x = this.norm(x, 'visual.ln_pre');
    for (let i = 0; i < layers; i++) {
      if (i > 0 && prompts[i]) {
        const bounds = [graph.integers(0), graph.integers(tokens), graph.integers(1)];
        const own = graph.node('Slice', `block ${i}.tokens`, [x, ...bounds]);
        x = graph.node('Concat', `block ${i}.prompted`, [own, promptAt(i)], { axis: 1 });
      }
      x = this.block(x, i);
    }
    const token = graph.node('Gather', 'class token.out', [x, graph.integer(0)], { axis: 1 });
    return graph.node('MatMul', 'features', [this.norm(token, 'visual.ln_post'), this.weight('visual.proj')]);
  }

  private block(x: string, index: number): string {
    const { graph } = this;
    const { width, heads } = this.parts.config.vision;
    const name = `visual.transformer.resblocks.${index}`;
    const at = (part: string) => `block ${index}.${part}`;
    const qkv = this.linear(this.norm(x, `${name}.ln_1`), `${name}.attn.in_proj_`, at('qkv'));
    const part = (which: number, label: string, perm: number[]) => {
      const bounds = [which * width, (which + 1) * width, 2].map((n) => graph.integers(n));
      const slice = graph.node('Slice', at(label), [qkv, ...bounds]);
      const shape = graph.integers(0, 0, heads, width / heads);
      const split = graph.node('Reshape', at(`${label}.heads`), [slice, shape]);
      return graph.node('Transpose', at(`${label}.by head`), [split], { perm });
    };
    const query = part(0, 'query', [0, 2, 1, 3]);
    const key = part(1, 'key', [0, 2, 3, 1]);
    const value = part(2, 'value', [0, 2, 1, 3]);
    const scale = graph.scalar('attention scale', Math.sqrt(heads / width));
    const scaled = graph.node('Mul', at('query.scaled'), [query, scale]);
    const scores = graph.node('MatMul', at('scores'), [scaled, key]);
    const weights = graph.node('Softmax', at('weights'), [scores], { axis: -1 });
    const mixed = graph.node('MatMul', at('mixed'), [weights, value]);
    const joined = graph.node('Transpose', at('mixed.by token'), [mixed], { perm: [0, 2, 1, 3] });
    const attended = graph.node('Reshape', at('attended'), [joined, graph.integers(0, 0, width)]);
    const projected = this.linear(attended, `${name}.attn.out_proj.`, at('attended.projected'));
    const middle = graph.node('Add', at('middle'), [x, projected]);
    const hidden = this.linear(this.norm(middle, `${name}.ln_2`), `${name}.mlp.c_fc.`, at('hidden'));
    const activated = this.activation(hidden, at('activated'));
    const added = this.linear(activated, `${name}.mlp.c_proj.`, at('mlp.projected'));
    return graph.node('Add', at('out'), [middle, added]);
  }

  /** `x W^T + b`, where W is stored as `prefix + weight`, `[outputs, inputs]`. */
  private linear(x: string, prefix: string, name: string): string {
    const { graph } = this;
    const weight = this.weight(`${prefix}weight`);
    const transposed = graph.node('Transpose', `${prefix}weight.transposed`, [weight], { perm: [1, 0] });
    const product = graph.node('MatMul', `${name}.product`, [x, transposed]);
    return graph.node('Add', name, [product, this.weight(`${prefix}bias`)]);
  }

  private norm(x: string, name: string): string {
    const inputs = [x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    const epsilon = { float: this.parts.config.layerNormEps };
    return this.graph.node('LayerNormalization', name, inputs, { axis: -1, epsilon });
  }

  private activation(x: string, name: string): string {
    const { graph } = this;
    const scalar = (value: number) => graph.scalar(`${value}`, value);
    switch (this.parts.config.activation) {
      case 'quickGelu': {
        const scaled = graph.node('Mul', `${name}.scaled`, [x, scalar(1.702)]);
        const gate = graph.node('Sigmoid', `${name}.gate`, [scaled]);
        return graph.node('Mul', name, [x, gate]);
      }
      case 'gelu': {
        const scaled = graph.node('Mul', `${name}.scaled`, [x, scalar(Math.SQRT1_2)]);
        const error = graph.node('Erf', `${name}.erf`, [scaled]);
        const gate = graph.node('Add', `${name}.gate`, [error, scalar(1)]);
        const half = graph.node('Mul', `${name}.half`, [x, scalar(0.5)]);
        return graph.node('Mul', name, [half, gate]);
      }
    }
  }

  private weight(name: string): string {
    const { shape, values } = this.parts.weights.get(name)!;
    return values instanceof Uint16Array
      ? this.graph.float16(name, shape, values)
      : this.graph.float32(name, shape, values);
  }
}
