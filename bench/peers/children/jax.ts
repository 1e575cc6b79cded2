/** jax-js with its WebGPU backend, on Dawn: every case is one jitted function. */
import { withNaps } from '../../../engine/gpu/waiting.js';
import { polyfillIterators, provideGpu } from '../browserGpu.js';
import { EPSILON, HEAD, inputsOf, type PeerCase, partOf, transpose } from '../cases.js';
import { importPeer, peerVersion } from '../install.js';
import { PROBE } from '../onnxModels.js';
import { serve } from '../protocol.js';

/** Operations consume their operands; `ref` is another reference to the same array. */
interface Value {
  readonly ref: Value;
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Fn = (...inputs: Value[]) => Value | Value[];
interface Jax {
  init(device: string): Promise<string[]>;
  defaultDevice(device: string): string;
  jit(f: Fn): Fn;
  grad(f: (...inputs: Value[]) => Value, options: { argnums: number[] }): (...inputs: Value[]) => Value[];
  blockUntilReady(values: Value[]): Promise<unknown>;
  readonly numpy: {
    array(values: Float32Array, options: { shape: readonly number[] }): Value;
    matmul(a: Value, b: Value): Value;
    add(a: Value, b: Value | number): Value;
    subtract(a: Value, b: Value): Value;
    multiply(a: Value, b: Value): Value;
    exp(x: Value): Value;
    mean(x: Value): Value;
  };
  readonly nn: {
    softmax(x: Value): Value;
    logSoftmax(x: Value): Value;
    gelu(x: Value, options: { approximate: boolean }): Value;
    standardize(x: Value, axis: number, options: { epsilon: number }): Value;
    dotProductAttention(q: Value, k: Value, v: Value): Value;
  };
}

polyfillIterators();
await provideGpu(process.argv[2]);
const jax = await importPeer<Jax>('@jax-js/jax');
if (!(await withNaps(jax.init('webgpu'))).includes('webgpu'))
  throw new Error('jax-js has no WebGPU backend here');
jax.defaultDevice('webgpu');
const { numpy: np, nn } = jax;

interface Prepared {
  readonly inputs: readonly Value[];
  readonly f: Fn;
}

const layerNorm = (x: Value, gamma: Value, beta: Value) =>
  np.add(np.multiply(nn.standardize(x, -1, { epsilon: EPSILON }), gamma), beta);

function build(work: PeerCase): Prepared {
  switch (work.kind) {
    case 'gemm': {
      const { m, k, n } = work;
      const { a, b } = inputsOf.gemm(work);
      return {
        inputs: [np.array(a, { shape: [m, k] }), np.array(b, { shape: [k, n] })],
        f: (x, y) => np.matmul(x, y),
      };
    }
    case 'attention': {
      const { batch, heads, tokens } = work;
      const qkv = inputsOf.attention(work);
      const shape = [batch, tokens, heads, HEAD];
      const inputs = [0, 1, 2].map((part) => np.array(partOf(qkv, heads, part), { shape }));
      return { inputs, f: (q, k, v) => nn.dotProductAttention(q, k, v) };
    }
    case 'layerNorm': {
      const { rows, width } = work;
      const { x, gamma, beta } = inputsOf.layerNorm(work);
      const inputs = [
        np.array(x, { shape: [rows, width] }),
        np.array(gamma, { shape: [width] }),
        np.array(beta, { shape: [width] }),
      ];
      return { inputs, f: layerNorm };
    }
    case 'softmax':
      return {
        inputs: [np.array(inputsOf.softmax(work), { shape: [work.rows, work.width] })],
        f: (x) => nn.softmax(x),
      };
    case 'gelu':
      return {
        inputs: [np.array(inputsOf.gelu(work), { shape: [work.rows, work.width] })],
        f: (x) => nn.gelu(x, { approximate: false }),
      };
    case 'training': {
      const { rows, width, classes } = work;
      const values = inputsOf.training(work);
      const inputs = [
        np.array(transpose(values.w1, width, width), { shape: [width, width] }),
        np.array(values.b1, { shape: [width] }),
        np.array(values.gamma, { shape: [width] }),
        np.array(values.beta, { shape: [width] }),
        np.array(transpose(values.w2, classes, width), { shape: [width, classes] }),
        np.array(values.b2, { shape: [classes] }),
        np.array(values.x, { shape: [rows, width] }),
        np.array(values.teacher, { shape: [rows, classes] }),
      ];
      const loss = (
        w1: Value,
        b1: Value,
        gamma: Value,
        beta: Value,
        w2: Value,
        b2: Value,
        x: Value,
        teacher: Value,
      ) => {
        const hidden = layerNorm(np.add(np.matmul(x, w1), b1), gamma, beta);
        const student = nn.logSoftmax(np.add(np.matmul(hidden, w2), b2));
        const target = nn.logSoftmax(teacher);
        return np.mean(np.multiply(np.exp(target.ref), np.subtract(target, student)));
      };
      return { inputs, f: jax.grad(loss, { argnums: [0, 1, 2, 3, 4, 5] }) };
    }
    case 'floor':
      return { inputs: [np.array(inputsOf.floor(), { shape: [1, 16] })], f: (x) => np.add(x, 1) };
    case 'encoder':
      throw new Error('not implemented for jax-js');
  }
}

let prepared: Prepared | undefined;
let work: PeerCase | undefined;
let results: Value[] = [];

function runOnce(): Value[] {
  const made = prepared!.f(...prepared!.inputs.map((input) => input.ref));
  return Array.isArray(made) ? made : [made];
}

/** Execution is lazy, and work whose results are disposed before it starts never runs. So all results are kept to the end. */
async function runAll(count: number): Promise<void> {
  for (const result of results) result.dispose();
  const all: Value[][] = [];
  for (let i = 0; i < count; i++) all.push(runOnce());
  await withNaps(jax.blockUntilReady(all.flat()));
  results = all.pop()!;
  for (const result of all.flat()) result.dispose();
}

/** Weights are stored `[inputs, outputs]`, so dW is transposed. */
const placeIn = (at: number) =>
  work!.kind === 'training' ? (at % work!.width) * work!.width + Math.floor(at / work!.width) : at;

async function read(): Promise<Float32Array> {
  return withNaps(results[0]!.ref.data());
}

await serve({
  describe: async () => ({
    name: 'jax-js webgpu',
    versions: { '@jax-js/jax': peerVersion('@jax-js/jax') },
    adapter: process.argv[2],
  }),
  variants: async (question) => (question.work.kind === 'encoder' ? [] : ['jit']),
  async prepare(question) {
    work = question.work;
    const { inputs, f } = build(work);
    prepared = { inputs, f: jax.jit(f) };
    await runAll(1);
    const values = await read();
    return question.places.map((at) => values[placeIn(at)]!);
  },
  async run({ count }) {
    const started = performance.now();
    await runAll(count);
    const milliseconds = performance.now() - started;
    const values = await read();
    const size = values.length;
    return {
      milliseconds,
      probe: Array.from({ length: PROBE }, (_, i) => values[placeIn(size - PROBE + i)]!),
    };
  },
  async release() {
    for (const value of [...(prepared?.inputs ?? []), ...results]) value.dispose();
    prepared = undefined;
    results = [];
    return null;
  },
});
process.exit(0);
