/** This project, as one of the compared processes. */

import { attachKernels } from '../../../cli/device/kernelStore.js';
import type { Level } from '../../../engine/capabilities.js';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { planRunner } from '../../../engine/gpu/measure.js';
import { releaseAll, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { constant, input, type Tensor } from '../../../engine/graph/tensor.js';
import { gelu } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { attention } from '../../../engine/ops/attention.js';
import { layerNorm } from '../../../engine/ops/layerNorm.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { softmax } from '../../../engine/ops/softmax.js';
import { grad } from '../../../engine/train/autograd.js';
import { KNOWN_MODELS } from '../../../models/clip/knownModels.js';
import { encodeImages } from '../../../models/clip/vision.js';
import { packageVersion } from '../../environment.js';
import { randomModel } from '../../workloads/randomModel.js';
import { EPSILON, inputsOf, type PeerCase, transpose } from '../cases.js';
import { PROBE } from '../onnxModels.js';
import { serve } from '../protocol.js';
import { trainingGraph } from '../trainingGraph.js';

const STORED = 'weight stored [n, k]';

interface Prepared {
  readonly plan: Plan;
  readonly result: Tensor;
}

function graph(gpu: Gpu, work: PeerCase, variant: string): { outputs: Tensor[]; result: Tensor } {
  const one = (result: Tensor) => ({ outputs: [result], result });
  switch (work.kind) {
    case 'gemm': {
      const { m, k, n } = work;
      const { a, b } = inputsOf.gemm(work);
      const x = constant(a, [m, k]);
      return one(
        variant === STORED ? linear(x, constant(transpose(b, k, n), [n, k])) : matmul(x, constant(b, [k, n])),
      );
    }
    case 'attention': {
      const { batch, tokens, heads } = work;
      const qkv = constant(inputsOf.attention(work), [batch, tokens, 3 * heads * 64]);
      return one(attention(qkv, { heads, causal: false }));
    }
    case 'layerNorm': {
      const { rows, width } = work;
      const { x, gamma, beta } = inputsOf.layerNorm(work);
      return one(
        layerNorm(constant(x, [rows, width]), constant(gamma, [width]), constant(beta, [width]), EPSILON),
      );
    }
    case 'softmax':
      return one(softmax(constant(inputsOf.softmax(work), [work.rows, work.width])));
    case 'gelu':
      return one(gelu(constant(inputsOf.gelu(work), [work.rows, work.width])));
    case 'encoder': {
      const model = randomModel(gpu, KNOWN_MODELS['ViT-B/16']);
      const images = input([work.batch, 3, 224, 224], 'images');
      write(gpu, images, inputsOf.encoder(work));
      return one(encodeImages(model.weights, model.config, images));
    }
    case 'training': {
      const { loss, parameters } = trainingGraph(work);
      const gradients = grad(loss, parameters);
      return { outputs: [loss, ...gradients], result: gradients[0]! };
    }
    case 'floor':
      return one(add(constant(inputsOf.floor(), [1, 16]), constant(new Float32Array(16).fill(1), [16])));
  }
}

const gpu = await openGpu({ level: process.argv[2] as Level | undefined });
attachKernels(gpu);
const prepared = new Map<string, Prepared>();

await serve({
  describe: async () => ({
    name: 'ours',
    versions: { webgpu: packageVersion('webgpu') },
    adapter: gpu.adapter.name,
  }),
  variants: async ({ work }) => (work.kind === 'gemm' ? ['', STORED] : ['']),
  async prepare({ work, variant, places }) {
    const { outputs, result } = graph(gpu, work, variant);
    const plan = await Plan.compile(gpu, { outputs }, { poison: true });
    prepared.set(variant, { plan, result });
    plan.run();
    const values = await plan.read(result);
    return places.map((at) => values[at]!);
  },
  async run({ variant, count }) {
    const { plan, result } = prepared.get(variant)!;
    const milliseconds = await planRunner(gpu, plan).run(count);
    return { milliseconds, probe: [...(await plan.read(result)).slice(-PROBE)] };
  },
  async release() {
    for (const { plan } of prepared.values()) plan.destroy();
    prepared.clear();
    releaseAll(gpu);
    return null;
  },
});
gpu.destroy();
process.exit(0);
