/**
 * The cases as ONNX graphs. Single operations have their operands as initializers, so that a run uploads nothing. Every graph has
 * the output `probe`, the last 16 results, which is all that a timed run fetches.
 */

import { expectedShapes } from '../../models/clip/config.js';
import { KNOWN_MODELS } from '../../models/clip/knownModels.js';
import { randomWeight } from '../workloads/values.js';
import { EPSILON, HEAD, headMajor, inputsOf, type PeerCase, partOf, transpose } from './cases.js';
import { encodeModel, type OnnxGraph, type OnnxNode, type OnnxTensor } from './onnx.js';

/** Number of results that a timed run fetches. */
export const PROBE = 16;

/** The ways to write a case; the first is the natural one. */
export function onnxVariants(work: PeerCase): string[] {
  switch (work.kind) {
    case 'attention':
      return ['fused MultiHeadAttention', 'MatMul, Softmax, MatMul'];
    case 'encoder':
      return ['fused MultiHeadAttention', 'MatMul, Softmax, MatMul'];
    case 'training':
      return [];
    default:
      return [''];
  }
}

/** A case as an ONNX model. */
export interface CaseModel {
  readonly bytes: Uint8Array;
  readonly feeds: readonly { readonly name: string; readonly shape: number[]; readonly data: Float32Array }[];
  /** Whether results are `[batch, heads, tokens, 64]` instead of `[batch, tokens, heads * 64]`. */
  readonly headMajor: boolean;
  /** Whether the graph only has constants, so that graph optimisation would compute it at load time. */
  readonly constant: boolean;
}

const whole = (name: string, values: readonly number[]): OnnxTensor => ({
  name,
  shape: [values.length],
  data: BigInt64Array.from(values.map(BigInt)),
});
const real = (name: string, shape: readonly number[], data: Float32Array): OnnxTensor => ({
  name,
  shape,
  data,
});

/** Builds the ONNX model of a case. */
export function caseModel(work: PeerCase, variant: string): CaseModel {
  if (work.kind === 'encoder') return encoderModel(work.batch, variant === onnxVariants(work)[0]);
  const { nodes, tensors, shape, headMajor: major = false } = operation(work, variant);
  return {
    bytes: encodeModel(
      withProbe({ nodes, initializers: tensors, inputs: [], outputs: [{ name: 'y', shape }] }),
    ),
    feeds: [],
    headMajor: major,
    constant: true,
  };
}

interface Operation {
  readonly nodes: OnnxNode[];
  readonly tensors: OnnxTensor[];
  readonly shape: readonly number[];
  readonly headMajor?: boolean;
}

function operation(work: PeerCase, variant: string): Operation {
  const one = (op: string, inputs: string[], attributes: OnnxNode['attributes'] = {}, domain?: string) => [
    { op, inputs, outputs: ['y'], attributes, domain },
  ];
  switch (work.kind) {
    case 'gemm': {
      const { m, k, n } = work;
      const { a, b } = inputsOf.gemm(work);
      return {
        nodes: one('MatMul', ['a', 'b']),
        tensors: [real('a', [m, k], a), real('b', [k, n], b)],
        shape: [m, n],
      };
    }
    case 'attention': {
      const { batch, heads, tokens } = work;
      const qkv = inputsOf.attention(work);
      const q = partOf(qkv, heads, 0);
      const k = partOf(qkv, heads, 1);
      const v = partOf(qkv, heads, 2);
      if (variant === onnxVariants(work)[0]) {
        const shape = [batch, tokens, heads * HEAD];
        return {
          nodes: one('MultiHeadAttention', ['q', 'k', 'v'], { num_heads: heads }, 'com.microsoft'),
          tensors: [real('q', shape, q), real('k', shape, k), real('v', shape, v)],
          shape,
        };
      }
      const shape = [batch, heads, tokens, HEAD];
      const split = (values: Float32Array) => headMajor(values, batch, heads, tokens);
      // Keys are transposed and queries scaled beforehand, so that only the two matmuls and the softmax are timed.
      const keys = split(k);
      const transposed = new Float32Array(keys.length);
      for (let i = 0; i < keys.length; i += tokens * HEAD)
        transposed.set(transpose(keys.subarray(i, i + tokens * HEAD), tokens, HEAD), i);
      return {
        nodes: [
          { op: 'MatMul', inputs: ['q', 'k'], outputs: ['scores'] },
          { op: 'Softmax', inputs: ['scores'], outputs: ['weights'], attributes: { axis: -1 } },
          { op: 'MatMul', inputs: ['weights', 'v'], outputs: ['y'] },
        ],
        tensors: [
          real(
            'q',
            shape,
            split(q).map((value) => value / Math.sqrt(HEAD)),
          ),
          real('k', [batch, heads, HEAD, tokens], transposed),
          real('v', shape, split(v)),
        ],
        shape,
        headMajor: true,
      };
    }
    case 'layerNorm': {
      const { rows, width } = work;
      const { x, gamma, beta } = inputsOf.layerNorm(work);
      return {
        nodes: one('LayerNormalization', ['x', 'gamma', 'beta'], { axis: -1, epsilon: { float: EPSILON } }),
        tensors: [real('x', [rows, width], x), real('gamma', [width], gamma), real('beta', [width], beta)],
        shape: [rows, width],
      };
    }
    case 'softmax':
      return unary('Softmax', work, inputsOf.softmax(work), { axis: -1 });
    case 'gelu':
      return unary('Gelu', work, inputsOf.gelu(work));
    case 'floor':
      return {
        nodes: one('Add', ['x', 'one']),
        tensors: [real('x', [1, 16], inputsOf.floor()), real('one', [1], Float32Array.of(1))],
        shape: [1, 16],
      };
    default:
      throw new Error(`no ONNX graph for ${work.kind}`);
  }

  function unary(
    op: string,
    { rows, width }: { readonly rows: number; readonly width: number },
    x: Float32Array,
    attributes: OnnxNode['attributes'] = {},
  ): Operation {
    return {
      nodes: one(op, ['x'], attributes),
      tensors: [real('x', [rows, width], x)],
      shape: [rows, width],
    };
  }
}

/** Adds the output `probe`: the last `PROBE` values of `y`, which end its last axis. */
function withProbe(graph: OnnxGraph): OnnxGraph {
  const { shape } = graph.outputs[0]!;
  const last = shape.length - 1;
  const axes = shape.map((_, axis) => axis);
  const starts = shape.map((size, axis) => (axis === last ? size - PROBE : size - 1));
  return {
    ...graph,
    nodes: [
      ...graph.nodes,
      { op: 'Slice', inputs: ['y', 'probe starts', 'probe ends', 'probe axes'], outputs: ['probe'] },
    ],
    initializers: [
      ...graph.initializers,
      whole('probe starts', starts),
      whole('probe ends', shape),
      whole('probe axes', axes),
    ],
    outputs: [
      ...graph.outputs,
      { name: 'probe', shape: shape.map((_, axis) => (axis === last ? PROBE : 1)) },
    ],
  };
}

/** CLIP's image encoder (models/clip/vision.ts) with random weights. */
function encoderModel(batch: number, fused: boolean): CaseModel {
  const config = KNOWN_MODELS['ViT-B/16'];
  const { width, layers, heads, patch, resolution, tokens } = config.vision;
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const shapes = expectedShapes(config);
  const weight = (name: string, transposed = false): string => {
    const shape = shapes.get(name)!;
    const data = randomWeight(name, shape);
    const [rows = 1, columns = 1] = shape;
    initializers.push(
      transposed ? real(name, [columns, rows], transpose(data, rows, columns)) : real(name, shape, data),
    );
    return name;
  };
  let made = 0;
  const add = (
    op: string,
    inputs: string[],
    attributes: OnnxNode['attributes'] = {},
    domain?: string,
  ): string => {
    const output = `v${made++}`;
    nodes.push({ op, inputs, outputs: [output], attributes, domain });
    return output;
  };
  const constants = (values: readonly number[]): string => {
    const name = `c${made++}`;
    initializers.push(whole(name, values));
    return name;
  };
  const norm = (x: string, name: string) =>
    add('LayerNormalization', [x, weight(`${name}.weight`), weight(`${name}.bias`)], {
      axis: -1,
      epsilon: { float: config.layerNormEps },
    });
  const linear = (x: string, name: string, suffix: readonly [string, string] = ['.weight', '.bias']) =>
    add('Add', [add('MatMul', [x, weight(name + suffix[0], true)]), weight(name + suffix[1])]);

  const patches = add('Conv', ['images', weight('visual.conv1.weight')], {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  const rows = add('Transpose', [add('Reshape', [patches, constants([batch, width, tokens - 1])])], {
    perm: [0, 2, 1],
  });
  const classToken = randomWeight('visual.class_embedding', [width]);
  const repeated = new Float32Array(batch * width);
  for (let b = 0; b < batch; b++) repeated.set(classToken, b * width);
  initializers.push(real('class token', [batch, 1, width], repeated));
  let x = add('Add', [
    add('Concat', ['class token', rows], { axis: 1 }),
    weight('visual.positional_embedding'),
  ]);
  x = norm(x, 'visual.ln_pre');

  initializers.push(real('scale', [1], Float32Array.of(1 / Math.sqrt(HEAD))));
  for (let layer = 0; layer < layers; layer++) {
    const name = `visual.transformer.resblocks.${layer}`;
    const qkv = linear(norm(x, `${name}.ln_1`), `${name}.attn.in_proj`, ['_weight', '_bias']);
    const parts = [`${name}.q`, `${name}.k`, `${name}.v`] as const;
    nodes.push({ op: 'Split', inputs: [qkv], outputs: [...parts], attributes: { axis: -1, num_outputs: 3 } });
    const attended = fused
      ? add('MultiHeadAttention', [...parts], { num_heads: heads }, 'com.microsoft')
      : attention(parts);
    x = add('Add', [x, linear(attended, `${name}.attn.out_proj`)]);
    const hidden = linear(norm(x, `${name}.ln_2`), `${name}.mlp.c_fc`);
    const activated = add('QuickGelu', [hidden], { alpha: { float: 1.702 } }, 'com.microsoft');
    x = add('Add', [x, linear(activated, `${name}.mlp.c_proj`)]);
  }
  const first = add('Reshape', [
    add('Slice', [x, constants([0]), constants([1]), constants([1])]),
    constants([batch, width]),
  ]);
  nodes.push({
    op: 'MatMul',
    inputs: [norm(first, 'visual.ln_post'), weight('visual.proj')],
    outputs: ['y'],
  });

  function attention([queries, keys, values]: readonly [string, string, string]): string {
    const split = (part: string, perm: number[]) =>
      add('Transpose', [add('Reshape', [part, constants([batch, tokens, heads, HEAD])])], { perm });
    const q = split(queries, [0, 2, 1, 3]);
    const k = split(keys, [0, 2, 3, 1]);
    const v = split(values, [0, 2, 1, 3]);
    const scores = add('MatMul', [add('Mul', [q, 'scale']), k]);
    const mixed = add('MatMul', [add('Softmax', [scores], { axis: -1 }), v]);
    return add('Reshape', [
      add('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
      constants([batch, tokens, width]),
    ]);
  }

  const shape = [batch, 3, resolution, resolution];
  const graph: OnnxGraph = {
    nodes,
    initializers,
    inputs: [{ name: 'images', shape }],
    outputs: [{ name: 'y', shape: [batch, config.embed] }],
  };
  return {
    bytes: encodeModel(withProbe(graph)),
    feeds: [{ name: 'images', shape, data: inputsOf.encoder({ batch }) }],
    headMajor: false,
    constant: false,
  };
}
