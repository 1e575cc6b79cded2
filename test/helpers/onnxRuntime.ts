/** onnxruntime, where `npm run test:onnx` has installed it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const manifest = new URL('../onnxruntime/package.json', import.meta.url);

/** Whether it is installed. */
export const hasOnnxRuntime = existsSync(
  fileURLToPath(new URL('./node_modules/onnxruntime-node/package.json', manifest)),
);

interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface Runtime {
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
    }>;
  };
}

/** Runs a model with one input and one output, on the processor. */
export async function runOnnx(
  model: Uint8Array,
  input: { readonly name: string; readonly shape: readonly number[]; readonly data: Float32Array },
) {
  const { Tensor, InferenceSession } = createRequire(manifest)('onnxruntime-node') as Runtime;
  const session = await InferenceSession.create(model);
  const results = await session.run({ [input.name]: new Tensor('float32', input.data, input.shape) });
  const { inputNames: inputs, outputNames: outputs } = session;
  const { dims, data } = results[outputs[0]!]!;
  return { inputs, outputs, dims, data };
}
