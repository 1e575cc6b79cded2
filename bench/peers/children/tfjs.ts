/** TensorFlow.js with its WebGPU backend, on Dawn. */
import { withNaps } from '../../../engine/gpu/waiting.js';
import { provideGpu } from '../browserGpu.js';
import {
  EPSILON,
  HEAD,
  headMajor,
  headMajorIndex,
  inputsOf,
  type PeerCase,
  partOf,
  transpose,
} from '../cases.js';
import { importPeer, peerVersion } from '../install.js';
import { PROBE } from '../onnxModels.js';
import { serve } from '../protocol.js';

interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Backend {
  readonly device?: GPUDevice;
  /** Commands that are not submitted yet; null after tfjs has submitted them itself. */
  readonly commandEncoder: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  backend(): Backend;
  tidy<T>(work: () => T): T;
  keep(tensor: Tensor): Tensor;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  softmax(x: Tensor): Tensor;
  logSoftmax(x: Tensor): Tensor;
  moments(x: Tensor, axis: number, keepDims: boolean): { mean: Tensor; variance: Tensor };
  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  erf(x: Tensor): Tensor;
  exp(x: Tensor): Tensor;
  mean(x: Tensor): Tensor;
  rsqrt(x: Tensor): Tensor;
  grads(f: (...inputs: Tensor[]) => Tensor): (inputs: Tensor[]) => Tensor[];
}

await provideGpu(process.argv[2]);
const tf = await importPeer<Tf>('@tensorflow/tfjs');
// Registers the backend; its copy of the core must be the one above.
await importPeer('@tensorflow/tfjs-backend-webgpu');
if (!(await withNaps(tf.setBackend('webgpu')))) throw new Error('tfjs has no WebGPU backend here');
const backend = tf.backend();

function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor): Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const scale = tf.mul(tf.rsqrt(tf.add(variance, EPSILON)), gamma);
  return tf.add(tf.mul(tf.sub(x, mean), scale), beta);
}

interface Prepared {
  readonly held: readonly Tensor[];
  /** The result to look at first. */
  readonly run: () => Tensor[];
  readonly headMajor?: boolean;
}

function build(work: PeerCase): Prepared {
  const one = (held: Tensor[], run: () => Tensor) => ({ held, run: () => [run()] });
  switch (work.kind) {
    case 'gemm': {
      const { m, k, n } = work;
      const values = inputsOf.gemm(work);
      const [a, b] = [tf.tensor(values.a, [m, k]), tf.tensor(values.b, [k, n])];
      return one([a, b], () => tf.matMul(a, b));
    }
    case 'attention': {
      const { batch, heads, tokens } = work;
      const qkv = inputsOf.attention(work);
      const shape = [batch, heads, tokens, HEAD];
      const part = (index: number) => headMajor(partOf(qkv, heads, index), batch, heads, tokens);
      const q = tf.tensor(
        part(0).map((x) => x / Math.sqrt(HEAD)),
        shape,
      );
      const k = tf.tensor(part(1), shape);
      const v = tf.tensor(part(2), shape);
      const run = () => tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v);
      return { ...one([q, k, v], run), headMajor: true };
    }
    case 'layerNorm': {
      const { rows, width } = work;
      const values = inputsOf.layerNorm(work);
      const x = tf.tensor(values.x, [rows, width]);
      const gamma = tf.tensor(values.gamma, [width]);
      const beta = tf.tensor(values.beta, [width]);
      return one([x, gamma, beta], () => layerNorm(x, gamma, beta));
    }
    case 'softmax': {
      const x = tf.tensor(inputsOf.softmax(work), [work.rows, work.width]);
      return one([x], () => tf.softmax(x));
    }
    case 'gelu': {
      const x = tf.tensor(inputsOf.gelu(work), [work.rows, work.width]);
      return one([x], () => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
    }
    case 'training': {
      const { rows, width, classes } = work;
      const values = inputsOf.training(work);
      const x = tf.tensor(values.x, [rows, width]);
      const teacher = tf.tensor(values.teacher, [rows, classes]);
      const parameters = [
        tf.tensor(transpose(values.w1, width, width), [width, width]),
        tf.tensor(values.b1, [width]),
        tf.tensor(values.gamma, [width]),
        tf.tensor(values.beta, [width]),
        tf.tensor(transpose(values.w2, classes, width), [width, classes]),
        tf.tensor(values.b2, [classes]),
      ];
      const gradients = tf.grads((w1, b1, gamma, beta, w2, b2) => {
        const hidden = layerNorm(tf.add(tf.matMul(x, w1), b1), gamma, beta);
        const student = tf.logSoftmax(tf.add(tf.matMul(hidden, w2), b2));
        const target = tf.logSoftmax(teacher);
        return tf.mean(tf.mul(tf.exp(target), tf.sub(target, student)));
      });
      return { held: [x, teacher, ...parameters], run: () => gradients(parameters) };
    }
    case 'floor': {
      const x = tf.tensor(inputsOf.floor(), [1, 16]);
      return one([x], () => tf.add(x, 1));
    }
    case 'encoder':
      throw new Error('not implemented for tfjs');
  }
}

let prepared: Prepared | undefined;
let work: PeerCase | undefined;
let results: Tensor[] = [];

function runOnce(): void {
  for (const result of results) result.dispose();
  results = tf.tidy(() => prepared!.run().map((tensor) => tf.keep(tensor)));
}

/** Waits for everything queued. The pass must be ended first, or the submission would be invalid and nothing would run. */
async function settle(): Promise<void> {
  if (backend.commandEncoder) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
  await withNaps(backend.device!.queue.onSubmittedWorkDone());
}

/** The index of a result here. Weights are stored `[inputs, outputs]`, so dW is transposed; attention is head-major. */
function placeIn(at: number): number {
  if (work!.kind === 'attention') return headMajorIndex(at, work!.batch, work!.heads, work!.tokens);
  if (work!.kind !== 'training') return at;
  return (at % work!.width) * work!.width + Math.floor(at / work!.width);
}

await serve({
  describe: async () => ({
    name: 'tfjs webgpu',
    versions: { '@tensorflow/tfjs': peerVersion('@tensorflow/tfjs') },
    adapter: process.argv[2],
  }),
  variants: async (question) => (question.work.kind === 'encoder' ? [] : [nameOfVariant(question.work)]),
  async prepare(question) {
    work = question.work;
    prepared = build(work);
    runOnce();
    const values = await withNaps(results[0]!.data());
    return question.places.map((at) => values[placeIn(at)]!);
  },
  async run({ count }) {
    const started = performance.now();
    for (let i = 0; i < count; i++) runOnce();
    await settle();
    const milliseconds = performance.now() - started;
    const values = await withNaps(results[0]!.data());
    const size = values.length;
    return {
      milliseconds,
      probe: Array.from({ length: PROBE }, (_, i) => values[placeIn(size - PROBE + i)]!),
    };
  },
  async release() {
    for (const tensor of [...(prepared?.held ?? []), ...results]) tensor.dispose();
    prepared = undefined;
    results = [];
    return null;
  },
});
process.exit(0);

function nameOfVariant({ kind }: PeerCase): string {
  if (kind === 'attention') return 'matMul, softmax, matMul';
  if (kind === 'gelu') return 'composed with erf';
  return kind === 'layerNorm' ? 'composed' : '';
}
