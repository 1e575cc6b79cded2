/** onnxruntime-node, with its own WebGPU (`webgpu`) or on the CPU (`cpu`). Its runs block until they are done. */
import { importPeer, peerVersion } from '../install.js';
import { type Ort, serveOrt } from './onnxruntime.js';

const provider = process.argv[2] === 'cpu' ? 'cpu' : 'webgpu';
const ort = await importPeer<Ort>('onnxruntime-node');
await serveOrt({
  ort,
  wait: (promise) => promise,
  options: {
    executionProviders: [{ name: provider }],
    // An operation that WebGPU lacks must be an error, or its time on the CPU would count as WebGPU's.
    ...(provider === 'webgpu' && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
  },
  describe: async () => ({
    name: `onnxruntime-node ${provider}`,
    versions: { 'onnxruntime-node': peerVersion('onnxruntime-node') },
  }),
});
process.exit(0);
