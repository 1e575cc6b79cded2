/** onnxruntime-web with its WebGPU provider, on Dawn. */
import { withNaps } from '../../../engine/gpu/waiting.js';
import { copySharedWrites, provideGpu } from '../browserGpu.js';
import { importPeer, peerVersion } from '../install.js';
import { type Ort, serveOrt } from './onnxruntime.js';

interface OrtWeb extends Ort {
  readonly env: { readonly wasm: { numThreads: number } };
}

await provideGpu(process.argv[2]);
copySharedWrites();
// The package's entry for Node has no WebGPU, so import the file for browsers.
const ort = await importPeer<OrtWeb>('onnxruntime-web', 'dist/ort.webgpu.mjs');
ort.env.wasm.numThreads = 1;
await serveOrt({
  ort,
  wait: withNaps,
  keepSessions: true,
  options: {
    executionProviders: ['webgpu'],
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  },
  describe: async () => ({
    name: 'onnxruntime-web webgpu',
    versions: { 'onnxruntime-web': peerVersion('onnxruntime-web') },
    adapter: process.argv[2],
  }),
});
process.exit(0);
